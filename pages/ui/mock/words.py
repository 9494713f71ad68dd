"""A mock interview in words. Draws nothing."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping

from pages.ui.progress.words import Words
from pages.ui.words.i18n import plain
from questions import Question
from study.mock import BUDGET, Mock
from study.store import Attempt


def level_names(levels: Iterable[int]) -> str:
    """How many questions of which level, and how long each may take."""
    return plain("claims.comma").join(
        plain("mock.level", count=count, level=plain(f"level.{level}"), minutes=BUDGET[level])
        for level, count in sorted(Counter(levels).items())
    )


def budget(question: Question) -> int:
    """Minutes for the answer."""
    return BUDGET[question.level]


def points(mock: Mock, attempts: Mapping[str, Attempt]) -> float | None:
    """The median over all questions; one without an answer has none. None while one is still to be scored."""
    found = [attempts[key].tier if key in attempts else 0 for key in mock.questions]
    scored = [each for each in found if each is not None]
    return statistics.median(scored) if len(scored) == len(found) else None


def summary(mock: Mock, attempts: Mapping[str, Attempt], words: Words) -> str:
    """Length, number of questions and result on one line."""
    median = points(mock, attempts)
    result = words("mock.unscored") if median is None else words("mock.median", median=f"{median:g}")
    return words("mock.summary", minutes=mock.minutes, count=len(mock.questions), result=result)


def score(attempt: Attempt | None, words: Words) -> str:
    """What became of one answer: its points, that it is still to be scored, or that there is none."""
    if attempt is None:
        return words("mock.not_reached")
    if attempt.tier is None:
        return words("mock.to_score")
    return str(attempt.tier) if attempt.text.strip() else words("mock.blank")


def rows(
    mock: Mock, questions: Iterable[Question], attempts: Mapping[str, Attempt], words: Words
) -> tuple[tuple[str, ...], ...]:
    """For each question its name, the time used against the budget, such as "9 of 12 min", and the score."""
    return tuple(
        (
            f"{question.id} · {question.short[words.language]}{' ⚑' if question.key in mock.flags else ''}",
            time(mock.seconds.get(question.key, 0.0), budget(question), words),
            score(attempts.get(question.key), words),
        )
        for question in questions
    )


def time(seconds: float, minutes: int, words: Words) -> str:
    """Time used and budget, such as "9 of 12 min"."""
    return words("mock.time", used=round(seconds / 60), budget=minutes)
