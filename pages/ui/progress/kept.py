"""All that a person did, by question, as the store has it. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui.experiments import registry
from pages.ui.site import store
from pages.ui.site.question_list import questions
from questions import Question
from study.calibration import Judged, first_judgements
from study.progress import REFERENCE, Standing, standing
from study.store import ANSWER, Attempt

_KEPT = "progress.kept"


@dataclass(frozen=True)
class Work:
    """Everything about one question: attempts (newest first), the answer's draft, and where they stand."""

    question: Question
    attempts: tuple[Attempt, ...]
    draft: str
    standing: Standing

    @property
    def in_sight(self) -> bool:
        """Whether measurements and rubric may be seen: not while the question is being answered again."""
        newest = next(iter(self.attempts), None)
        return newest is not None and (newest.finished is not None or REFERENCE in newest.help_used)

    @property
    def settled(self) -> bool:
        """Whether each prediction of the newest attempt was made or skipped, so that numbers may be seen."""
        newest = next(iter(self.attempts), None)
        if newest is None or self.in_sight:
            return newest is not None
        return all(name in newest.predictions for name in asked(self.question))

    @property
    def finished(self) -> list[tuple[int, Attempt]]:
        """The scored attempts with their numbers, counted from 1 for the first; newest first."""
        numbers = range(len(self.attempts), 0, -1)
        return [pair for pair in zip(numbers, self.attempts, strict=True) if pair[1].finished is not None]

    @property
    def judged(self) -> list[Judged]:
        """The measured predictions that may be shown; none while the question is being predicted again."""
        return [] if self.withheld else first_judgements(self.question, self.attempts)

    @property
    def withheld(self) -> bool:
        """Whether there are measured predictions that would give the answer away."""
        return not self.settled and bool(first_judgements(self.question, self.attempts))


def asked(question: Question) -> list[str]:
    """The ids of the predictions that an experiment can answer."""
    known = {experiment.id for experiment in registry()}
    return [prediction.id for prediction in question.predictions if prediction.experiment in known]


def all_work() -> list[Work]:
    """The work of this session's person on every question, in order. Raises StoreError.

    Read again only after a change: the menu asks for it in every run of every page.
    """
    stamp = store.stamp()
    known, work = st.session_state.get(_KEPT, (None, []))
    if known != stamp:
        work = _read()
        st.session_state[_KEPT] = (stamp, work)
    return work


def _read() -> list[Work]:
    attempts, drafts = store.everything()
    answers = {draft.question: draft.text for draft in drafts if draft.field == ANSWER}
    found = []
    for question in questions():
        own = tuple(attempt for attempt in attempts if attempt.question == question.key)
        draft = answers.get(question.key, "")
        found.append(
            Work(question, own, draft, standing(question.key, own, draft=draft, asked=asked(question)))
        )
    return found


def work_on(question: Question) -> Work:
    """The work on one question. Raises StoreError."""
    own, kept = store.attempts(question), store.draft(question)
    draft = kept.text if kept else ""
    return Work(question, own, draft, standing(question.key, own, draft=draft, asked=asked(question)))
