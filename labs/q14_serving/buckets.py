"""What Prometheus knows of latencies: how many were no longer than each bound, and a percentile from that."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client import Histogram

from serving.metrics import SECONDS

DEFAULT = tuple(bound for bound in Histogram.DEFAULT_BUCKETS if bound != float("inf"))
"""Finite upper bounds that the Python client takes unless told others, as Prometheus' own clients do."""
OURS = SECONDS


class Reading(NamedTuple):
    """A percentile as `histogram_quantile` says it, and the bounds between which it really lies.

    `high` is None beyond the last bound: then the last bound is what is said.
    """

    value: float
    low: float
    high: float | None


def own_bounds(first: float, ratio: float, count: int) -> list[float]:
    """Bounds that grow by a ratio, `exponential_buckets` of Prometheus' libraries.

    >>> own_bounds(100.0, 2.0, 3)
    [100.0, 200.0, 400.0]
    """
    return [first * ratio**place for place in range(count)]


def cumulative(values: Sequence[float], bounds: Sequence[float]) -> list[int]:
    """How many values are at most each bound.

    >>> cumulative([0.1, 0.2, 3.0], [0.1, 1.0])
    [1, 2]
    """
    ordered = sorted(values)
    return [bisect.bisect_right(ordered, bound) for bound in bounds]


def histogram_quantile(share: float, bounds: Sequence[float], counts: Sequence[int], total: int) -> Reading:
    """The quantile at `share` of 1: a straight line within the bucket in which it lies, from 0 in the first.

    `counts` are cumulative at the finite bounds, `total` is that of all.

    >>> histogram_quantile(0.5, [100.0, 200.0], [20, 60], 100)
    Reading(value=175.0, low=100.0, high=200.0)
    """
    rank = share * total
    place = next((place for place, count in enumerate(counts) if count >= rank), None)
    if place is None:
        return Reading(bounds[-1], bounds[-1], None)
    low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0)
    high, within = bounds[place], counts[place] - below
    return Reading(low + (high - low) * (rank - below) / within if within else high, low, high)
