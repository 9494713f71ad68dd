"""What several seeds say about which kind is best, and when they say nothing. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

from labs.tools.ranking import verdict


class Judged(TypedDict):
    """What the values of all seeds say, by kind; see `judged`."""

    mean: dict[str, float]
    range: dict[str, dict[str, float]]
    verdict: str
    best: str
    rivals: list[str]
    chance: float
    orders: list[list[str]]


def judged(values: Mapping[str, Sequence[float]]) -> Judged:
    """`values` by kind, one a seed, the lower the better.

    "range" are the best and the worst seed; "verdict" the kind whose range ends before all others begin, or
    "unresolved"; "chance" how often that happens to equal kinds; "orders" of the kinds, one a seed.
    """
    means = {kind: sum(each) / len(each) for kind, each in values.items()}
    spans = {kind: {"low": min(each), "high": max(each)} for kind, each in values.items()}
    seeds = len(next(iter(values.values())))
    best = min(means, key=means.__getitem__)
    return {
        "mean": means,
        "range": spans,
        "verdict": verdict(means, spans),
        "best": best,
        "rivals": [kind for kind in values if kind != best and spans[kind]["low"] <= spans[best]["high"]],
        "chance": chance_of_a_verdict(len(values), seeds),
        "orders": [
            sorted(values, key={kind: each[seed] for kind, each in values.items()}.__getitem__)
            for seed in range(seeds)
        ],
    }


def chance_of_a_verdict(kinds: int, seeds: int) -> float:
    """How often one of several kinds comes out ahead with all its seeds though all are alike: K / C(KS, S).

    With every order of all values equally likely, a given kind has the S lowest in 1 / C(KS, S) of them.

    >>> chance_of_a_verdict(2, 3)
    0.1
    """
    return kinds / math.comb(kinds * seeds, seeds)
