"""How scores went over time, and how long answers took beside what a question allows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from questions import Question

if TYPE_CHECKING:
    from study.store import Attempt


@dataclass(frozen=True)
class Moment:
    """One scored attempt: when (seconds since 1970), its points, and the mean of each question's newest score
    from then on.
    """

    moment: float
    question: str
    points: int
    mean: float


@dataclass(frozen=True)
class PartTotals:
    """One part: questions scored, of how many, the median of their newest scores (None without one), and the
    seconds that all their scored answers took beside those that the questions allow.
    """

    scored: int
    questions: int
    median: float | None
    seconds: float
    allowed: float


def over_time(attempts: Iterable[Attempt]) -> list[Moment]:
    """The scored attempts, the oldest first."""
    scored = [each for each in attempts if each.finished is not None]
    newest: dict[str, int] = {}
    found = []
    for each in sorted(scored, key=lambda attempt: attempt.finished or 0.0):
        newest[each.question] = each.tier or 0
        found.append(
            Moment(each.finished or 0.0, each.question, each.tier or 0, statistics.fmean(newest.values()))
        )
    return found


def by_part(work: Sequence[tuple[Question, Sequence[Attempt]]]) -> Mapping[int, PartTotals]:
    """Totals by part; `work` has the attempts at each question, the newest first."""
    return {
        part: _totals([each for each in work if each[0].part == part])
        for part in sorted({question.part for question, _ in work})
    }


def _totals(work: Sequence[tuple[Question, Sequence[Attempt]]]) -> PartTotals:
    """The most minutes of a question are what it allows, once for each scored attempt."""
    scored = [
        (question, [each for each in attempts if each.finished is not None]) for question, attempts in work
    ]
    points = [attempts[0].tier or 0 for _, attempts in scored if attempts]
    return PartTotals(
        len(points),
        len(work),
        statistics.median(points) if points else None,
        sum(each.seconds for _, attempts in scored for each in attempts),
        sum(60.0 * question.minutes[1] * len(attempts) for question, attempts in scored),
    )
