"""Batches of requests of unequal length in so many slots: who waits for whom. A step is one unit of time.

Static: a batch is filled, and runs until its longest request is done. Continuous: a slot that is free takes
the next request at once. A step takes as long with all slots as with one; NumPy only, no tensors.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labs.contract.fields import ParamError

LAWS = ("exponential", "uniform", "equal")
MEAN = 50


OWN = "own"
"""Not a law: the lengths are those that were typed."""
MOST_TYPED, LONGEST_TYPED = 500, 100_000


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


def typed_lengths(text: str) -> list[int]:
    """Whole numbers of tokens with spaces or commas between them. Raises ParamError for anything else.

    >>> typed_lengths("100, 10")
    [100, 10]
    """
    words = re.split(r"[\s,，;；]+", text.strip(" \t\n,，;；"))
    fine = all(re.fullmatch(r"[1-9][0-9]{0,5}", word) and int(word) <= LONGEST_TYPED for word in words)
    if not fine or len(words) > MOST_TYPED:
        sentence = (
            f"Write 1 to {MOST_TYPED} whole numbers from 1 to {LONGEST_TYPED:,}, with spaces between them."
        )
        raise ParamError(
            "kind", "lengths", sentence, key="q08.lengths", most=MOST_TYPED, longest=LONGEST_TYPED
        )
    return [int(word) for word in words]


def most_gain(lengths: Sequence[int], slots: int) -> float:
    """Steps in static batches over the fewest that any order allows: no slot idle, or the longest request.

    >>> round(most_gain([100, 10, 100, 10], 2), 2), most_gain([100, 10], 2)
    (1.82, 1.0)
    """
    fewest = max(-(-sum(lengths) // slots), max(lengths))
    return makespan(static(lengths, slots)) / fewest


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
