"""Where predictions are typed, committed and measured: a person's own attempt, or an interview.

The module `store` is the desk of a person; an interview has one for its candidate (pages/ui/interview).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from questions import Question
from study.predictions import Answer
from study.store import Attempt


class Desk(Protocol):
    """What the parts of a page that predict and measure need of whoever keeps it. All raise StoreError."""

    def attempt(self, question: Question, /) -> Attempt | None:
        """The attempt that the page shows; None before the first."""

    def check_unfinished(self, question: Question, shown: Attempt | None, /) -> None:
        """Raise StoreError if nothing may be added any more to the attempt that the page shows."""

    def typed(self, question: Question, /) -> dict[str, str]:
        """What stands in the fields for predictions, by field."""

    def save_typed(self, question: Question, fields: Mapping[str, str], /) -> None:
        """Keep what stands in some of these fields; the others stay."""

    def forget_typed(self, question: Question, /) -> None:
        """Empty the fields."""

    def record_predictions(self, question: Question, answers: Mapping[str, Answer | None], /) -> None:
        """Commit predictions by id; None marks a skipped one."""

    def record_measurement(self, question: Question, name: str, value: Any, /) -> None:
        """Add what was measured."""
