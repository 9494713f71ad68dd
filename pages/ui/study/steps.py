"""The steps of a question, which of them are done, and which is next. Draws nothing.

Question, answer, predict, lab, reference, score; a question without a lab has neither prediction nor lab.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import streamlit as st

from pages.ui.experiments import registry
from pages.ui.lab import runs
from pages.ui.site import store
from pages.ui.study import predict
from questions import Question
from study.progress import is_fixed
from study.store import Attempt

_WORD = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
"""A Chinese character, or what stands between blanks."""


@dataclass(frozen=True)
class Progress:
    """How far an attempt is. Of `asked` predictions `predicted` are committed; skipped ones do not count."""

    words: int
    asked: int
    predicted: int
    settled: bool
    has_lab: bool
    measured: bool
    opened: bool
    finished: bool
    points: int | None
    attempts: int
    seconds: int

    @property
    def current(self) -> str | None:
        """The step that is next, by its anchor; None once the attempt is scored."""
        if self.finished:
            return None
        if self.opened:
            return "score"
        if not self.words and not (self.settled and self.has_lab):
            return "answer"
        if not self.settled:
            return "predict"
        return "reference" if self.measured or not self.has_lab else "lab"


def progress(question: Question) -> Progress:
    """How far the attempt at a question is that the page shows. Raises StoreError."""
    attempts = store.attempts(question)
    attempt = attempts[0] if attempts else None
    draft = store.draft(question)
    given = attempt.predictions if attempt else {}
    asked = predict.asked(question)
    return Progress(
        words=num_words(_text(attempt, draft.text if draft else "")),
        asked=len(asked),
        predicted=sum(given.get(prediction.id) is not None for prediction in asked),
        settled=predict.is_settled(question, attempt),
        has_lab=bool(registry().of_question(question.key)),
        measured=_has_measured(question, attempt),
        opened=attempt is not None and store.REFERENCE in attempt.help_used,
        finished=attempt is not None and attempt.finished is not None,
        points=attempt.tier if attempt is not None else None,
        attempts=len(attempts),
        seconds=int(attempt.seconds) if attempt is not None else 0,
    )


def num_words(text: str) -> int:
    """Words of an answer; each Chinese character counts as one.

    >>> num_words("GQA 省的是 cache, not time")
    7
    """
    return len(_WORD.findall(text))


def opened_since(question: Question, now: Progress) -> str | None:
    """The anchor of what has been opened since this was last asked in this session; None if nothing was."""
    state = f"{question.key}.steps"
    before: Progress | None = st.session_state.get(state)
    st.session_state[state] = now
    if before is None:
        return None
    if now.attempts > before.attempts and before.finished:
        return "top"
    if now.finished and not before.finished:
        return "score"
    if now.opened and not before.opened:
        return "reference"
    return "predict" if now.settled and not before.settled else None


def _text(attempt: Attempt | None, draft: str) -> str:
    """What counts as the answer: the draft, or once the reference is open what was fixed then."""
    return attempt.text if attempt is not None and is_fixed(attempt) else draft


def _has_measured(question: Question, attempt: Attempt | None) -> bool:
    """Whether a number of the lab is there: one for a prediction, or of a run in this session."""
    if attempt is not None and attempt.measurements:
        return True
    return any(runs.has_result(experiment) for experiment in registry().of_question(question.key))
