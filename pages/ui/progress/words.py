"""What was done, in words: where a question stands, when something was, how long it took. Draws nothing.

Plain texts, also for documents that are made when no page runs: `Words` has its language and time zone with
it.
"""

from __future__ import annotations

import contextlib
import datetime as calendar
import time
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from pages.ui.words.i18n import catalogue, current_language
from pages.ui.words.markdown import filled_plainly
from study.progress import Standing

_MINUTE = 60


@dataclass(frozen=True)
class Words:
    """The texts of one language as plain text, with dates as the reader's own clock has them."""

    language: str
    zone: tzinfo | None = None

    def __call__(self, key: str, **values: object) -> str:
        """The text for `key`, filled. Raises KeyError for an unknown key or a missing value."""
        return filled_plainly(catalogue(self.language)[key], values)

    def date(self, moment: float) -> str:
        """The day of a moment (seconds since 1970), such as "2026-11-29"; "–" where no calendar has it."""
        day = self.day(moment)
        return day.isoformat() if day else "–"

    def day(self, moment: float) -> calendar.date | None:
        """The calendar day of a moment where the reader is; None where no calendar has it."""
        found = self._at(moment)
        return found.date() if found else None

    def date_and_time(self, moment: float) -> str:
        """Day and minute, such as "2026-11-29 18:05"."""
        day = self._at(moment)
        return f"{day:%Y-%m-%d %H:%M}" if day else "–"

    def ago(self, moment: float) -> str:
        """How many calendar days ago: "today", "yesterday", "3 days ago"; the date from four weeks on."""
        day, today = self._at(moment), self._at(time.time())
        if day is None or today is None:
            return "–"
        days = max(0, (today.date() - day.date()).days)
        if days < 2:
            return self("progress.yesterday" if days else "progress.today")
        return self("progress.days_ago", days=days) if days < 28 else self.date(moment)

    def duration(self, seconds: float) -> str:
        """How long an answer took, in whole minutes; less than one is said so."""
        minutes = round(seconds / _MINUTE)
        return self("progress.minutes", minutes=minutes) if minutes else self("progress.less_than_a_minute")

    def status(self, standing: Standing) -> str:
        """Where a question stands, in a few words: "✓ 80 · 2 days ago", "✓ 60 · due", "draft, 7 min", "–"."""
        now = self._now(standing) if standing.unfinished else ""
        if standing.points is None:
            return now or "–"
        if now:
            return self("progress.scored_again", points=standing.points, now=now)
        if standing.is_due(time.time()):
            return self("progress.scored_due", points=standing.points)
        return self("progress.scored", points=standing.points, when=self.ago(standing.scored_at or 0.0))

    def _now(self, standing: Standing) -> str:
        if standing.stage != "draft":
            return self(f"progress.stage.{standing.stage}")
        if not standing.words:
            return self("progress.stage.begun")
        if standing.seconds >= _MINUTE:
            return self("progress.stage.draft_minutes", minutes=round(standing.seconds / _MINUTE))
        return self("progress.stage.draft_words", words=standing.words)

    def _at(self, moment: float) -> datetime | None:
        with contextlib.suppress(OverflowError, ValueError, OSError):
            return datetime.fromtimestamp(moment, self.zone)
        return None


def session_words() -> Words:
    """The words of this session; without a time zone of the browser, dates are the server's."""
    zone: tzinfo | None = None
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        zone = ZoneInfo(st.context.timezone or "")
    return Words(current_language(), zone)
