"""Predictions beside what was measured for them, over all questions: the material of a calibration.

A prediction counts once, with the attempt that first had a measurement for it: whoever answers again has seen
the number. What no current question asks for any more is left out, since its tolerance went with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from questions import Question
from study.predictions import Calibration, Outcome, calibrate, judge, readable

if TYPE_CHECKING:
    from study.store import Attempt


@dataclass(frozen=True)
class Judged:
    """One measured prediction of a question. `interval` is the range that was given with it, if any."""

    question: Question
    outcome: Outcome
    interval: tuple[float, float] | None = None

    @property
    def point(self) -> tuple[float, float] | None:
        """Measured and predicted where both are positive numbers: the place on logarithmic axes."""
        measured, answer = self.outcome.measured, self.outcome.answer
        if isinstance(measured, str) or isinstance(answer, str) or answer is None:
            return None
        return (measured, answer) if min(measured, answer) > 0 else None

    @property
    def covered(self) -> bool | None:
        """Whether the range holds what was measured; None without a range."""
        measured = self.outcome.measured
        if self.interval is None or isinstance(measured, str):
            return None
        return self.interval[0] <= measured <= self.interval[1]


@dataclass(frozen=True)
class Coverage:
    """How many of the ranges that were given held what was measured."""

    held: int
    given: int


def answer_of(value: Any) -> Any:
    """The answer in a stored prediction: itself, or the "value" of one that came with a range.

    >>> answer_of({"low": 2.0, "high": 8.0, "value": 4.0}), answer_of(4.0), answer_of({})
    (4.0, 4.0, None)
    """
    return value.get("value") if isinstance(value, Mapping) else value


def interval_of(value: Any) -> tuple[float, float] | None:
    """The range in a stored prediction; None where there is none that can be read.

    >>> interval_of({"low": 2.0, "high": 8.0, "value": 4.0}), interval_of(4.0), interval_of({"low": "x"})
    ((2.0, 8.0), None, None)
    """
    if not isinstance(value, Mapping):
        return None
    match (value.get("low"), value.get("high")):
        case (bool(), _) | (_, bool()):
            return None
        case (int() | float() as low, int() | float() as high) if low <= high:
            return float(low), float(high)
    return None


def first_judgements(question: Question, attempts: Sequence[Attempt]) -> list[Judged]:
    """The measured predictions of a question, each from the first of the attempts (newest first) with one."""
    found = []
    for prediction in question.predictions:
        for attempt in reversed(attempts):
            judged = judgement(question, attempt, prediction.id)
            if judged is not None:
                found.append(judged)
                break
    return found


def judgement(question: Question, attempt: Attempt, name: str) -> Judged | None:
    """One prediction of an attempt judged again; None where nothing readable was measured for it."""
    prediction = question.prediction(name)
    measured = readable(prediction, attempt.measurements.get(name))
    if measured is None or name not in attempt.predictions:
        return None
    stored = attempt.predictions[name]
    answer = readable(prediction, answer_of(stored))
    return Judged(question, judge(prediction, answer, measured), interval_of(stored))


def by_part(judged: Iterable[Judged]) -> dict[int, Calibration]:
    """How predictions went in each part of the questions that has any."""
    parts: dict[int, list[Outcome]] = {}
    for each in judged:
        parts.setdefault(each.question.part, []).append(each.outcome)
    return {part: calibrate(parts[part]) for part in sorted(parts)}


def coverage(judged: Iterable[Judged]) -> Coverage:
    """Count the ranges and those that held."""
    covered = [each.covered for each in judged if each.covered is not None]
    return Coverage(sum(covered), len(covered))
