"""A range given instead of a number: in four of five such ranges the measurement should lie.

Kept beside the point in an attempt's predictions, under the prediction's id with `.low` and `.high`; the
point is then the range's median. Shows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from questions import Prediction

SHARE = 0.8
"""How often the measurement should lie within."""
ENDS = ("low", "high")


@dataclass(frozen=True)
class Interval:
    """A range and whether the measurement lies within it, ends included.

    `score` is the interval score of Gneiting & Raftery 2007 (eq. 43), lower is better: the width, plus
    2 / 0.2 times the distance by which it missed. Of logarithms where the prediction only takes numbers
    above 0, so that it does not depend on the unit.
    """

    low: float
    high: float
    held: bool
    score: float


def end_keys(prediction: str) -> tuple[str, str]:
    """Under which names an attempt keeps the two ends.

    >>> end_keys("cache-size")
    ('cache-size.low', 'cache-size.high')
    """
    return f"{prediction}.low", f"{prediction}.high"


def range_of(prediction: Prediction, stored: Mapping[str, object]) -> tuple[float, float] | None:
    """The range that an attempt holds for a prediction; None where there is none, or none that can be one."""
    low, high = (stored.get(key) for key in end_keys(prediction.id))
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            return None
        if prediction.limits.refusal(end):
            return None
    assert isinstance(low, int | float) and isinstance(high, int | float)
    return (float(low), float(high)) if low < high else None


def median(prediction: Prediction, low: float, high: float) -> float:
    """The point that a range stands for: the geometric mean of two numbers above 0, else the mean.

    Rounded where only whole numbers are possible.
    A range of 2 to 8 stands for 4.
    """
    middle = math.sqrt(low) * math.sqrt(high) if low > 0 else low / 2 + high / 2
    return float(round(middle)) if prediction.limits.whole else middle


def judged(prediction: Prediction, ends: tuple[float, float], measured: float) -> Interval:
    """A range beside the measurement."""
    low, high = ends
    in_logs = prediction.limits.positive and measured > 0
    score = (
        interval_score(*map(math.log, (low, high, measured))) if in_logs else interval_score(*ends, measured)
    )
    return Interval(low, high, low <= measured <= high, score)


def interval_score(low: float, high: float, value: float) -> float:
    """The interval score of a range that should hold with probability 0.8, lower is better.

    It is proper: who reports the 10 % and 90 % quantiles of what they believe expects the least.

    >>> interval_score(1, 3, 2), round(interval_score(1, 3, 4), 9)
    (2, 12.0)
    """
    missed = max(low - value, value - high, 0)
    return high - low + 2 / (1 - SHARE) * missed if missed else high - low
