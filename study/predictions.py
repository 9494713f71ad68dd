"""How good a prediction was, against a number measured on this machine, and how well someone is calibrated.

A prediction that was skipped is recorded as such and leaves the calibration alone. Measures nothing
and shows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from questions import Prediction, WrongAnswer

_LARGEST = 1e300  # beyond it, and below 1 / it, ratios and their logarithms leave the floats
Answer = float | str
"""A number, or the id of a choice."""


class AnswerError(ValueError):
    """An answer that a prediction cannot take; the message is one sentence."""


@dataclass(frozen=True)
class Outcome:
    """A prediction beside the measurement. `answer` and `correct` are None where it was skipped.

    `ratio` is predicted / measured, for two numbers of the same sign; `explanation` belongs to the
    tempting wrong answer that was given.
    """

    prediction: str
    answer: Answer | None
    measured: Answer
    correct: bool | None
    ratio: float | None = None
    explanation: WrongAnswer | None = None


@dataclass(frozen=True)
class Calibration:
    """How predictions went. `bias` is the geometric mean of predicted / measured, and `spread` the
    typical factor by which they were off in either direction; both None without numbers."""

    made: int
    correct: int
    skipped: int
    bias: float | None
    spread: float | None


def check_answer(prediction: Prediction, answer: Answer) -> None:
    """Raise AnswerError for an answer that is no finite number, or no choice, of this prediction."""
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


def judge(prediction: Prediction, answer: Answer | None, measured: Answer) -> Outcome:
    """Compare an answer, or None for a skipped one, with what was measured. Raises AnswerError."""
    if answer is None:
        return Outcome(prediction.id, None, measured, None)
    check_answer(prediction, answer)
    correct = _near(prediction, answer, measured)
    wrong = (
        None
        if correct
        else next(
            (wrong for wrong in prediction.wrong_answers if _near(prediction, answer, wrong.answer)), None
        )
    )
    return Outcome(prediction.id, answer, measured, correct, _ratio(answer, measured), wrong)


def calibrate(outcomes: Iterable[Outcome]) -> Calibration:
    """Sum up; skipped predictions are counted and change nothing else."""
    outcomes = tuple(outcomes)
    made = [outcome for outcome in outcomes if outcome.correct is not None]
    logs = [math.log(outcome.ratio) for outcome in made if outcome.ratio is not None]
    return Calibration(
        made=len(made),
        correct=sum(outcome.correct is True for outcome in made),
        skipped=len(outcomes) - len(made),
        bias=math.exp(math.fsum(logs) / len(logs)) if logs else None,
        spread=math.exp(math.fsum(map(abs, logs)) / len(logs)) if logs else None,
    )


def _near(prediction: Prediction, answer: Answer, target: Answer) -> bool:
    """Whether an answer may pass for the target: by the tolerance, or as the same choice."""
    if isinstance(answer, str) or isinstance(target, str):
        return answer == target
    assert prediction.tolerance is not None, f"{prediction.id} is a number without a tolerance"
    return prediction.tolerance.accepts(answer, target)


def _ratio(answer: Answer, measured: Answer) -> float | None:
    if isinstance(answer, str) or isinstance(measured, str) or measured == 0:
        return None
    ratio = answer / measured
    return ratio if 1 / _LARGEST < ratio < _LARGEST else None
