"""Predictions beside what was measured for them, over all questions: the material of a calibration.

A prediction counts once, with the attempt that first had a measurement for it: whoever answers again has seen
the number. A sealed ticket asks at settings of its own, so each one that was answered counts. What no current
question asks for any more is left out, since its tolerance went with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from questions import Prediction, Question
from study.predictions import Calibration, Outcome, calibrate, judge, readable

if TYPE_CHECKING:
    from study.store import Attempt


@dataclass(frozen=True)
class Judged:
    """One measured prediction of a question, or of a ticket of it, which the question's own list has not.

    `interval` is the range that was given with it, if any.
    """

    question: Question
    prediction: Prediction
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


def interval_of(predictions: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The range that an attempt's predictions hold for one of them; None where none can be read.

    Its ends stand beside the answer, under the prediction's id with `.low` and `.high`.

    >>> interval_of({"size": 4.0, "size.low": 2.0, "size.high": 8.0}, "size")
    (2.0, 8.0)
    """
    ends = [predictions.get(end) for end in interval_names(name)]
    if not all(type(end) in (int, float) for end in ends):
        return None
    low, high = map(float, ends)  # type: ignore[arg-type]
    return (low, high) if low <= high else None


def interval_names(name: str) -> tuple[str, str]:
    """Under which names the ends of a prediction's range are kept."""
    return f"{name}.low", f"{name}.high"


def first_judgements(
    question: Question, attempts: Sequence[Attempt], tickets: Iterable[Prediction] = ()
) -> list[Judged]:
    """The measured predictions of a question and of its `tickets`.

    Each is from the first of the attempts (newest first) with a measurement of it.
    """
    found = []
    for prediction in (*question.predictions, *tickets):
        for attempt in reversed(attempts):
            judged = judgement(question, prediction, attempt)
            if judged is not None:
                found.append(judged)
                break
    return found


def judgement(question: Question, prediction: Prediction, attempt: Attempt) -> Judged | None:
    """One prediction of an attempt judged again; None where nothing readable was measured for it."""
    name = prediction.id
    measured = readable(prediction, attempt.measurements.get(name))
    if measured is None or name not in attempt.predictions:
        return None
    answer = readable(prediction, attempt.predictions[name])
    outcome = judge(prediction, answer, measured)
    return Judged(question, prediction, outcome, interval_of(attempt.predictions, name))


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
