"""All that a person did, by question, as the store has it. Draws nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import streamlit as st

from pages.ui.experiments import registry
from pages.ui.progress.tickets import taken
from pages.ui.site import store
from pages.ui.site.question_list import questions
from questions import Question
from study.calibration import Judged, first_judgements
from study.progress import REFERENCE, Standing, standing
from study.review import Review, review
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

    @cached_property
    def review(self) -> Review | None:
        """The plan after all scored attempts; None before the first."""
        return review(self.attempts)

    @property
    def judged(self) -> list[Judged]:
        """The measured predictions that may be shown; none while the question is being predicted again."""
        return [] if self.withheld else self._judged

    @property
    def withheld(self) -> bool:
        """Whether there are measured predictions that would give the answer away."""
        return not self.settled and bool(self._judged)

    @cached_property
    def _judged(self) -> list[Judged]:
        names = dict.fromkeys(name for attempt in self.attempts for name in attempt.predictions)
        return first_judgements(self.question, self.attempts, taken(names))


class _Kept(NamedTuple):
    """What a session has read: whose it is, what tells a change, and the work by question."""

    whose: tuple[object, ...]
    attempts: dict[str, tuple[object, ...]]
    drafts: tuple[object, ...]
    work: dict[str, Work]


def asked(question: Question) -> list[str]:
    """The ids of the predictions that an experiment can answer."""
    return [each.id for each in question.predictions if each.experiment in registry()]


def all_work() -> list[Work]:
    """The work of this session's person on every question, in order. Raises StoreError.

    Read again only after a change, and only what changed: the menu asks for it in every run of every page.
    """
    whose, attempts, drafts = store.stamps()
    kept: _Kept | None = st.session_state.get(_KEPT)
    if kept is None or kept.whose != whose:
        kept = _Kept(whose, {}, (), {})
    if (kept.attempts, kept.drafts) != (attempts, drafts) or not kept.work:
        kept = _Kept(whose, attempts, drafts, _read(kept, attempts))
        st.session_state[_KEPT] = kept
    return list(kept.work.values())


def _read(kept: _Kept, stamps: dict[str, tuple[object, ...]]) -> dict[str, Work]:
    """The work as it is now; what is as it was `kept` is not made anew."""
    moved = {key for key in stamps.keys() | kept.attempts.keys() if stamps.get(key) != kept.attempts.get(key)}
    person = store.known_profile()
    attempts = store.store().attempts.at(person, moved)
    answers = store.store().drafts.texts(person, ANSWER)
    found = {}
    for question in questions():
        before, draft = kept.work.get(question.key), answers.get(question.key, "")
        if before is None or before.draft != draft or question.key in moved:
            own = attempts if before is None or question.key in moved else before.attempts
            before = _work(question, own, draft)
        found[question.key] = before
    return found


def _work(question: Question, attempts: Iterable[Attempt], draft: str) -> Work:
    """The work on one question; `attempts` may be of others too."""
    own = tuple(attempt for attempt in attempts if attempt.question == question.key)
    return Work(question, own, draft, standing(question.key, own, draft=draft, asked=asked(question)))


def work_on(question: Question) -> Work:
    """The work on one question. Raises StoreError."""
    kept = store.draft(question)
    return _work(question, store.attempts(question), kept.text if kept else "")
