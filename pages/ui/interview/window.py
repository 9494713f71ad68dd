"""The candidate's side of an interview: found by its link, read and written without anything private.

A link is looked up anew each time, so that one that was replaced or has expired opens nothing. What is read
are events of PUBLIC kinds alone: notes and ticks do not even reach this process's memory for this page.
Whoever has the link needs no profile, and nothing is recorded in anybody's attempts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pages.ui.site import store
from questions import Question
from study import interview as led
from study.interview import PUBLIC, Released, Work, attempt_of, released, work_at
from study.predictions import Answer
from study.store import Attempt, Event, Interview, StoreError

PARAMETER = "link"
"""In the address of the candidate's window."""


@dataclass(frozen=True)
class Window:
    """What a link opens. It is also the desk (pages/ui/site/desk.py) at which the candidate predicts."""

    link: str = field(repr=False)

    def look(self) -> Released | None:
        """What may be shown now; None where the link opens nothing. Raises StoreError."""
        interview = store.store().interviews.linked(self.link)
        return None if interview is None else released(interview, self._events(interview), time.time())

    def stamp(self) -> tuple[object, ...]:
        """What changes with whatever may be shown; empty where the link opens nothing. Raises StoreError."""
        interview = store.store().interviews.linked(self.link)
        return () if interview is None else store.store().interviews.stamp(interview, kinds=PUBLIC)

    def agree(self) -> None:
        """The candidate agrees to what is kept."""
        self._add(led.CONSENTED)

    def save_text(self, question: Question, text: str, revision: int) -> None:
        """Keep what the candidate types."""
        store.store().interviews.save_text(self._going_on(), led.DRAFT, question.key, text, revision)

    def record_run(self, question: Question, run: Mapping[str, Any]) -> None:
        """Note a run of the lab."""
        self._add(led.RAN, question, dict(run))

    def attempt(self, question: Question) -> Attempt:
        """The candidate's work in the shape of an attempt, which is nobody's."""
        return attempt_of(self._work(question), question.key)

    def check_unfinished(self, _question: Question, _shown: Attempt | None) -> None:
        """Raise StoreError if the interview is over."""
        self._going_on()

    def typed(self, question: Question) -> dict[str, str]:
        """What stands in the fields for predictions."""
        return dict(self._work(question).typed)

    def save_typed(self, question: Question, fields: Mapping[str, str]) -> None:
        """Keep what stands in some of these fields."""
        kept = {name: text for name, text in {**self.typed(question), **fields}.items() if text}
        self._add(led.TYPED, question, {"fields": kept})

    def forget_typed(self, _question: Question) -> None:
        """Nothing to do: a commitment empties the fields (study/interview.py)."""

    def record_predictions(self, question: Question, answers: Mapping[str, Answer | None]) -> None:
        """Commit predictions by id."""
        self._add(led.PREDICTED, question, {"answers": dict(answers)})

    def record_measurement(self, question: Question, name: str, value: Any) -> None:
        """Add what was measured."""
        self._add(led.MEASURED, question, {"name": name, "value": value})

    def _work(self, question: Question) -> Work:
        return work_at(self._events(self._open()), question.key)

    def _events(self, interview: Interview) -> tuple[Event, ...]:
        return store.store().interviews.events(interview, kinds=PUBLIC)

    def _add(self, kind: str, question: Question | None = None, data: dict[str, Any] | None = None) -> None:
        store.store().interviews.add(self._going_on(), kind, question.key if question else "", data)

    def _open(self) -> Interview:
        interview = store.store().interviews.linked(self.link)
        if interview is None:
            raise StoreError(
                "This link opens no interview any more: ask the interviewer for the new one.",
                key="store.no_link",
            )
        return interview

    def _going_on(self) -> Interview:
        interview = self._open()
        if interview.finished is not None:
            raise StoreError("This interview is over; nothing more is recorded.", key="store.interview_over")
        return interview
