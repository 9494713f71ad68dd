"""How good a prediction was, against a number measured on this machine, and how well someone is calibrated.

A prediction that was skipped is recorded as such and leaves the calibration alone. Measures nothing
and shows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from questions import Prediction, WrongAnswer
from study.intervals import Interval, judged

_LARGEST = 1e300  # beyond it, and below 1 / it, ratios and their logarithms leave the floats
Answer = float | str
"""A number, or the id of a choice."""


RefusalKind = Literal["unreadable", "whole", "range", "half", "order"]
"""No number, outside the limits, and of a range: an end is missing, or the ends are the wrong way round."""


class AnswerError(ValueError):
    """An answer that a prediction cannot take; the message is one sentence, and `kind` tells pages which."""

    def __init__(self, sentence: str, *, kind: RefusalKind = "unreadable") -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True)
class Outcome:
    """A prediction beside the measurement. `answer` and `correct` are None where it was skipped.

    `exact` says that the answer is the very number, as far as its digits are shown; `ratio` is predicted /
    measured, for two numbers of the same sign; `explanation` belongs to the tempting wrong answer that was
    given; `interval` is the range that was given instead of a number.
    """

    prediction: str
    answer: Answer | None
    measured: Answer
    correct: bool | None
    ratio: float | None = None
    explanation: WrongAnswer | None = None
    exact: bool = False
    interval: Interval | None = None


@dataclass(frozen=True)
class Calibration:
    """How predictions went. `bias` is the geometric mean of predicted / measured, and `spread` the
    typical factor by which they were off in either direction; both None without numbers. Of `ranges` that
    were given `held` held: four in five of somebody who is well calibrated."""

    made: int
    correct: int
    skipped: int
    bias: float | None
    spread: float | None
    ranges: int = 0
    held: int = 0


def check_answer(prediction: Prediction, answer: Answer) -> None:
    """Raise AnswerError for an answer that is no finite number within the limits, or no choice, of this
    prediction."""
    _check_kind(prediction, answer)
    if not isinstance(answer, str) and (refusal := prediction.limits.refusal(answer)):
        raise AnswerError(f"{answer!r} is impossible here.", kind=refusal)


def _check_kind(prediction: Prediction, answer: Answer) -> None:
    if prediction.kind == "choice":
        if answer not in {choice.id for choice in prediction.choices}:
            raise AnswerError(f"{answer!r} is none of the choices.")
    elif isinstance(answer, bool | str) or not math.isfinite(answer):
        raise AnswerError(f"A prediction must be a finite number, not {answer!r}.")


def readable(prediction: Prediction, value: object) -> Answer | None:
    """A stored answer or measurement if it is one of this prediction's kind, as a float or a choice's id.

    None for all else: a file may have brought in anything, and a choice may have been renamed since.
    """
    if prediction.kind == "choice":
        return value if isinstance(value, str) and value in {each.id for each in prediction.choices} else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _LARGEST else None


def judge(
    prediction: Prediction, answer: Answer | None, measured: Answer, ends: tuple[float, float] | None = None
) -> Outcome:
    """Compare an answer, or None for a skipped one, with what was measured.

    `ends` is the range that was given, if one was. An answer of before that today's limits would refuse is
    judged like any other. Raises AnswerError.
    """
    if answer is None:
        return Outcome(prediction.id, None, measured, None)
    _check_kind(prediction, answer)
    correct = _near(prediction, answer, measured)
    wrong = (
        None
        if correct
        else next(
            (wrong for wrong in prediction.wrong_answers if _near(prediction, answer, wrong.answer)), None
        )
    )
    interval = judged(prediction, ends, measured) if ends and isinstance(measured, float | int) else None
    return Outcome(
        prediction.id,
        answer,
        measured,
        correct,
        _ratio(answer, measured),
        wrong,
        exact=correct and _is_exact(prediction, answer, measured),
        interval=interval,
    )


def calibrate(outcomes: Iterable[Outcome]) -> Calibration:
    """Sum up; skipped predictions are counted and change nothing else."""
    outcomes = tuple(outcomes)
    made = [outcome for outcome in outcomes if outcome.correct is not None]
    ranges = [outcome.interval for outcome in made if outcome.interval is not None]
    logs = [math.log(outcome.ratio) for outcome in made if outcome.ratio is not None]
    return Calibration(
        made=len(made),
        correct=sum(outcome.correct is True for outcome in made),
        skipped=len(outcomes) - len(made),
        bias=math.exp(math.fsum(logs) / len(logs)) if logs else None,
        spread=math.exp(math.fsum(map(abs, logs)) / len(logs)) if logs else None,
        ranges=len(ranges),
        held=sum(interval.held for interval in ranges),
    )


def _near(prediction: Prediction, answer: Answer, target: Answer) -> bool:
    """Whether an answer may pass for the target: by the tolerance, or as the same choice."""
    if isinstance(answer, str) or isinstance(target, str):
        return answer == target
    assert prediction.tolerance is not None, f"{prediction.id} is a number without a tolerance"
    return prediction.tolerance.accepts(answer, target)


def _is_exact(prediction: Prediction, answer: Answer, measured: Answer) -> bool:
    """Whether they are equal: as counts, or in the four digits that a page shows."""
    if isinstance(answer, str) or isinstance(measured, str) or prediction.limits.whole:
        return answer == measured
    return f"{answer:.4g}" == f"{measured:.4g}"


def _ratio(answer: Answer, measured: Answer) -> float | None:
    if isinstance(answer, str) or isinstance(measured, str) or measured == 0:
        return None
    ratio = answer / measured
    return ratio if 1 / _LARGEST < ratio < _LARGEST else None
