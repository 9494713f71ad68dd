"""Which of several is best, and when to say nothing. No torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

UNRESOLVED = "unresolved"
RESAMPLES, LEVEL = 2000, 0.95


def verdict(losses: Mapping[str, float], spans: Mapping[str, Mapping[str, float]]) -> str:
    """The best model's name if its interval ends below all others, else `UNRESOLVED`.

    >>> verdict({"a": 1.0, "b": 2.0}, {"a": {"low": 0.9, "high": 1.1}, "b": {"low": 1.8, "high": 2.2}})
    'a'
    >>> verdict({"a": 1.0, "b": 2.0}, {"a": {"low": 0.1, "high": 1.9}, "b": {"low": 1.8, "high": 2.2}})
    'unresolved'
    """
    best = min(losses, key=lambda name: losses[name])
    apart = all(spans[best]["high"] < spans[name]["low"] for name in losses if name != best)
    return best if apart else UNRESOLVED


def intervals(values: Mapping[str, NDArray[np.float64]], seed: int) -> dict[str, dict[str, float]]:
    """Bootstrap interval of each model's mean over its values [N], such as losses on the same N texts.

    All models are resampled alike. Gives "low" and "high" by model.
    """
    count = len(next(iter(values.values())))
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    return {
        name: dict(zip(("low", "high"), np.quantile(row[drawn].mean(1), edges).tolist(), strict=True))
        for name, row in values.items()
    }
