"""What became of the questions of `recall.py`: recall by length, by place, by distance. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.q04_long_text.recall_sizes import BINS, CHANCE, DEPTHS, SURE

if TYPE_CHECKING:
    from labs.q04_long_text.recall_training import Asked


class Arm(TypedDict):
    """What one arm recalls, in percent, means over seeds.

    `map` is [DEPTHS, lengths], `by_distance` [BINS] at the trained length, NaN where nothing was asked;
    `range` is that of the seeds at the longest; `learned` counts the seeds that found at the trained length
    `SURE` percent of what the arm can see in one step. `chunks` is how often the right chunk was named.
    """

    map: NDArray[np.float32]
    by_distance: NDArray[np.float32]
    by_length: list[float]
    low: float
    high: float
    learned: int
    chunks: list[float]


def farthest(by_distance: NDArray[np.float32], trained: int) -> int:
    """Tokens back to which an arm finds at least half of what lies above chance, from the nearest on."""
    found = by_distance >= (100 + CHANCE) / 2
    return int(np.argmin([*found, False])) * trained // len(by_distance)


def summary(seeds: Sequence[Sequence[Asked]], arm: str, window: int, trained: int) -> Arm:
    """What one arm recalls, from what was asked in each seed at each length."""
    hits = np.array([[asked.hits.numpy() for asked in lengths] for lengths in seeds], np.float64)  # [S, L, Q]
    one = seeds[0]  # the same texts in every seed
    by_length = 100 * hits.mean((0, 2))
    longest = 100 * hits[:, -1].mean(1)  # [S]
    seen = one[0].back.numpy() < (window if arm == "window" else math.inf)
    depth = [np.minimum(asked.depth.numpy() * DEPTHS, DEPTHS - 1).astype(int) for asked in one]
    near = one[0].back.numpy() * BINS // trained
    return {
        "map": np.stack(
            [by_bin(hits[:, place].mean(0), bins, DEPTHS) for place, bins in enumerate(depth)], axis=1
        ),
        "by_distance": by_bin(hits[:, 0].mean(0), near, BINS),
        "by_length": by_length.tolist(),
        "low": float(longest.min()),
        "high": float(longest.max()),
        "learned": int((100 * hits[:, 0][:, seen].mean(1) >= SURE).sum()),
        "chunks": _named(seeds),
    }


def _named(seeds: Sequence[Sequence[Asked]]) -> list[float]:
    """Percent of the questions whose chunk was named, by length; none where the arm names none."""
    by_length = [
        [asked.chunks.numpy() for asked in same if asked.chunks is not None]
        for same in zip(*seeds, strict=True)
    ]
    return [100 * float(np.mean(named)) for named in by_length if named]


def by_bin(hits: NDArray[np.float64], bins: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Percent of hits [Q] in each of `count` bins, NaN in an empty one; later bins are left out."""
    total = np.bincount(bins, minlength=count)[:count]
    right = np.bincount(bins, weights=hits, minlength=count)[:count]
    percent = np.full(count, np.nan, np.float32)
    np.divide(100 * right, total, out=percent, where=total > 0, casting="unsafe")
    return percent
