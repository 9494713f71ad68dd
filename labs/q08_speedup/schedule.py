"""Batches of requests of unequal length in so many slots: who waits for whom. A step is one unit of time.

Static: a batch is filled, and runs until its longest request is done. Continuous: a slot that is free takes
the next request at once. A step takes as long with all slots as with one; NumPy only, no tensors.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LAWS = ("exponential", "uniform", "equal")
MEAN = 50


class Served(NamedTuple):
    """One request: its slot, its first step, and the step after its last token."""

    slot: int
    start: int
    end: int


def drawn_lengths(law: str, count: int, seed: int = 0) -> list[int]:
    """Tokens of so many requests, at least one each, `MEAN` on average."""
    random = np.random.default_rng(seed)
    drawn = {
        "exponential": random.exponential(MEAN, count),
        "uniform": random.uniform(0, 2 * MEAN, count),
        "equal": np.full(count, float(MEAN)),
    }
    return np.maximum(1, np.ceil(drawn[law])).astype(int).tolist()


def static(lengths: Sequence[int], slots: int) -> list[Served]:
    """Batch after batch, in order.

    >>> static([100, 10], 2)
    [Served(slot=0, start=0, end=100), Served(slot=1, start=0, end=10)]
    """
    served, start = [], 0
    for first in range(0, len(lengths), slots):
        batch = lengths[first : first + slots]
        served += [Served(slot, start, start + length) for slot, length in enumerate(batch)]
        start += max(batch)
    return served


def continuous(lengths: Sequence[int], slots: int) -> list[Served]:
    """Each request in order into the slot that is free first.

    >>> continuous([3, 1, 1], 2)
    [Served(slot=0, start=0, end=3), Served(slot=1, start=0, end=1), Served(slot=1, start=1, end=2)]
    """
    free = [(0, slot) for slot in range(slots)]
    served = []
    for length in lengths:
        start, slot = heapq.heappop(free)
        served.append(Served(slot, start, start + length))
        heapq.heappush(free, (start + length, slot))
    return served


def makespan(served: Sequence[Served]) -> int:
    """Steps until all are done."""
    return max(one.end for one in served)


def used_share(served: Sequence[Served], slots: int) -> float:
    """Slot steps that produce a token, of all.

    >>> used_share(static([100, 10], 2), 2)
    0.55
    """
    return sum(one.end - one.start for one in served) / (slots * makespan(served))


def bound(law: str, slots: int) -> float:
    """The expected longest length over the mean: what continuous batching can gain at most.

    >>> round(bound("exponential", 32), 2), round(bound("uniform", 32), 2), bound("equal", 32)
    (4.06, 1.94, 1.0)
    """
    if law == "exponential":
        return sum(1 / place for place in range(1, slots + 1))
    return 2 * slots / (slots + 1) if law == "uniform" else 1.0
