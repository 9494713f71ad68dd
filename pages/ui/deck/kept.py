"""What the store keeps of the cards, and which of them may be asked. Draws nothing.

The answers to a card lie among the drafts under a name of their own, so that they are exported, imported and
deleted with the rest.
"""

from __future__ import annotations

import time

from pages.ui.progress.kept import Work
from pages.ui.site import store
from questions.checklist import Card, checklist
from study.deck import Answered, read, written

_PLACE = "deck"


def in_sight(work: list[Work]) -> list[Card]:
    """The cards of questions whose reference is open: what is right answers predictions of the others."""
    opened = {one.question.id for one in work if one.in_sight}
    return [card for card in checklist() if card.question in opened]


def answers() -> dict[str, tuple[Answered, ...]]:
    """The answers of this person by card, of those that have any. Raises StoreError."""
    kept = store.store().drafts.of(store.known_profile(), _PLACE)
    return {draft.field: found for draft in kept if (found := read(draft.text))}


def keep(card: Card, *, right: bool) -> None:
    """Add an answer given now. Raises StoreError."""
    drafts, owner = store.store().drafts, store.profile()
    found = drafts.get(owner, _PLACE, card.id)
    given = (*(read(found.text) if found else ()), Answered(time.time(), right))
    drafts.save(owner, _PLACE, card.id, written(given), (found.revision if found else 0) + 1)
