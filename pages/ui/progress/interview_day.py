"""The day of a person's interview, kept among the drafts, as it belongs to no question. Draws nothing."""

from __future__ import annotations

import contextlib
from datetime import date

from pages.ui.site import store

_PLACE = ("plan", "interview")
"""Question and field of the draft."""


def kept() -> date | None:
    """The day of this person's interview; None where none is set, or an import brought in something else."""
    found = store.store().drafts.get(store.known_profile(), *_PLACE)
    with contextlib.suppress(ValueError):
        return date.fromisoformat(found.text) if found and found.text else None
    return None


def keep(day: date | None) -> None:
    """Keep the day of the interview; None forgets it."""
    drafts, owner = store.store().drafts, store.profile()
    found = drafts.get(owner, *_PLACE)
    text = day.isoformat() if day else ""
    drafts.save(owner, *_PLACE, text, (found.revision if found else 0) + 1)
