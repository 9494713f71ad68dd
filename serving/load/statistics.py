"""Percentiles with an interval, and what a load test comes to. Plain Python.

A percentile is an order statistic, the smallest value that so many percent do not exceed. Its interval is
made of order statistics, too, by the binomial law, and assumes no distribution (David and Nagaraja, Order
Statistics, 2003, section 7.1). It takes the values for independent; those of requests that queued together
are not, so the true interval is wider, and only a second run tells how much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

CONFIDENCE = 0.95
PERCENTS = (50, 95, 99)


class Percentile(TypedDict):
    """`low` and `high` hold the true percentile with `CONFIDENCE`; None where there are too few values."""

    value: float
    low: float | None
    high: float | None


class Distribution(TypedDict):
    """Of `count` values: the mean, and percentiles by their names, such as "p95"."""

    count: int
    mean: float
    percentiles: dict[str, Percentile]


def distribution(values: Sequence[float]) -> Distribution | None:
    """None where there is no value."""
    if not values:
        return None
    ranked = sorted(values)
    return {
        "count": len(ranked),
        "mean": math.fsum(ranked) / len(ranked),
        "percentiles": {f"p{percent}": percentile(ranked, percent) for percent in PERCENTS},
    }


def percentile(ranked: Sequence[float], percent: float) -> Percentile:
    """Of sorted values, at least one.

    >>> percentile([float(value) for value in range(1, 101)], 50)
    {'value': 50.0, 'low': 40.0, 'high': 61.0}
    """
    count = len(ranked)
    low, high = ranks(count, percent / 100)
    return {
        "value": ranked[max(0, math.ceil(percent * count / 100) - 1)],
        "low": ranked[low - 1] if low else None,
        "high": ranked[high - 1] if high else None,
    }


def ranks(count: int, share: float) -> tuple[int | None, int | None]:
    """Ranks, from 1, of the values around the true quantile `share`, each tail at most (1 - confidence) / 2.

    How many of the values lie below the quantile is binomial: the value of rank r is above it with
    probability P(B < r) and below it with P(B >= r). None where no rank is far enough out.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high, below = None, None, 0.0
    for rank in range(1, count + 1):
        below += _binomial(rank - 1, count, share)  # P(B < rank)
        if below <= tail:
            low = rank
        if 1 - below <= tail:
            high = rank
            break
    return low, high


def _binomial(successes: int, count: int, share: float) -> float:
    logarithm = (
        math.lgamma(count + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(count - successes + 1)
        + successes * math.log(share)
        + (count - successes) * math.log1p(-share)
    )
    return math.exp(logarithm)
