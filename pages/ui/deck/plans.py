"""When each card comes: by FSRS, and once more in the last days before the interview. Draws nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pages.ui.progress import reviews
from pages.ui.progress.words import Words
from questions.checklist import Card
from study.deck import Answered, next_card, plan
from study.review import Review


@dataclass(frozen=True)
class Plans:
    """The plans of cards, by id: how many `times` each was answered, FSRS's plan (None for one that
    never was), and the day of the last time. `interview` is None where no day is set, and once it is past.
    """

    cards: tuple[Card, ...]
    times: Mapping[str, int]
    reviews: Mapping[str, Review | None]
    interview: date | None
    last_time: Mapping[str, date]
    words: Words

    def asked(self) -> list[tuple[Card, Review]]:
        """The cards that were asked, each with its plan."""
        return [(card, found) for card in self.cards if (found := self.reviews[card.id])]

    def next(self) -> Card | None:
        """The card to ask now."""
        today = [card.id for card in self.cards if self._is_today(card.id)]
        return next_card(self.cards, self.reviews, time.time(), today)

    def day(self, card: Card, found: Review) -> date | None:
        """The day on which a card comes again; None while it is due."""
        if found.due <= time.time() or self._is_today(card.id):
            return None
        day = self.words.day(found.due) or date.max
        return min(day, self.last_time.get(card.id, day))

    @property
    def num_due(self) -> int:
        """How many cards that were asked before are due now."""
        return sum(self.day(card, found) is None for card, found in self.asked())

    def soonest(self) -> date | None:
        """When the next card comes, of those that were asked."""
        days = [self.day(card, found) for card, found in self.asked()]
        return min(filter(None, days), default=None)

    def _is_today(self, card: str) -> bool:
        return card in self.last_time and self.last_time[card] <= reviews.today(self.words)


def plans(wanted: Iterable[Card], given: Mapping[str, tuple[Answered, ...]], words: Words) -> Plans:
    """The plans of the `wanted` cards after the answers `given`. Raises StoreError."""
    cards = tuple(wanted)
    found = {card.id: plan(card.id, given.get(card.id, ())) for card in cards}
    times = {card.id: len(given.get(card.id, ())) for card in cards}
    interview = reviews.coming_interview(words)
    last_time: dict[str, date] = {}
    if interview is not None:
        known = {name: review for name, review in found.items() if review}
        repeated = [name for name in known if times[name] > 1]
        days = reviews.days_to(list(found), known, repeated, words, interview)
        last_time = {name: each.day for each in days for name in each.last if name in known}
    return Plans(cards, times, found, interview, last_time, words)
