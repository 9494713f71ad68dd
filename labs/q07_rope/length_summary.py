"""What the length bench makes of its losses: perplexity, growth, the worst treatment. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from labs.contract import Floats, Ints, Numbers
from minimind_core.model.config import RopeScalingKind

Losses = Floats
"""Nats of every token, [documents, tokens], in the same places whatever the length of the chunks."""
ByLength = Numbers
SCALINGS: tuple[RopeScalingKind, ...] = ("pi", "ntk", "yarn")
TREATMENTS = ("none", *SCALINGS)
"""What the third prediction chooses among."""
STRETCH = 2
"""The third prediction asks about so many times the trained length."""
TAIL = 256
BUCKETS = 16


class ChunkLoss(TypedDict):
    """Mean nats in equal stretches of a chunk, and the middle of each."""

    position: Ints
    nats: Floats


class TableEnd(TypedDict):
    """What reading `position` did to a table of learned positions with `rows`; nothing without `error`."""

    error: str
    message: str
    rows: int
    position: int


class StoredRun(TypedDict):
    """A recorded run of a GPU, and the lengths that it has and this device does not read."""

    perplexity: dict[str, ByLength]
    lengths: list[int]
    device: str
    date: str


class Perplexities(TypedDict):
    """By line, then length of the chunks; the treatments are compared with the line `base`."""

    trained: int
    lengths: list[int]
    base: str
    perplexity: dict[str, ByLength]


class LengthSummary(Perplexities, total=False):
    """What is known at the end; paths name the line, then the length."""

    tail: dict[str, ByLength]
    """Perplexity of the last `TAIL` tokens of each chunk."""
    growth: dict[str, ByLength]
    """Of the untreated lines over their own trained length."""
    growth_range: dict[str, dict[str, Numbers]]
    """`low` and `high` of the base's growth over documents."""
    against_rope: dict[str, ByLength]
    """Perplexity of the untreated lines over that of the base at the same length."""
    scaled: dict[str, ByLength]
    """Perplexity of the treatments over that of the base at its trained length."""
    window: dict[str, ByLength]
    """`growth` of the base with a window as wide as its training."""
    worst_scaling: str
    """At twice the trained length; empty where nothing longer was read."""
    by_position: dict[str, ChunkLoss]
    """In the longest chunks."""
    table_end: TableEnd


def summarised(read: Perplexities, losses: Mapping[str, Mapping[int, Losses]]) -> LengthSummary:
    """Complete what was read by what follows from the losses of each line by length."""
    base, perplexities, trained = read["base"], read["perplexity"], read["trained"]
    plain, longest = perplexities[base], read["lengths"][-1]
    start = plain[str(trained)]
    treated = {name: _over(perplexities.get(name, {}), start) for name in (*SCALINGS, "upstream")}
    own = {
        name: by_length
        for name, by_length in perplexities.items()
        if name not in (*treated, "window", "shifted")
    }
    starts = {name: perplexities[name.removesuffix("_longer")][str(trained)] for name in own}
    return {
        **read,
        "tail": {
            name: {str(length): tail_perplexity(nats, length) for length, nats in by_length.items()}
            for name, by_length in losses.items()
        },
        "growth": {name: _over(by_length, starts[name], but=str(trained)) for name, by_length in own.items()},
        "growth_range": {
            base: {
                str(length): growth_range(nats, losses[base][trained])
                for length, nats in losses[base].items()
                if length != trained
            }
        },
        "against_rope": {
            name: {length: value / plain[length] for length, value in by_length.items()}
            for name, by_length in own.items()
        },
        "scaled": treated,
        "window": {"growth": _over(perplexities.get("window", {}), start)},
        "worst_scaling": _worst({"none": _over(plain, start), **treated}, read["lengths"]),
        "by_position": {
            name: by_position(by_length[longest], longest)
            for name, by_length in losses.items()
            if longest in by_length
        },
    }


def perplexity(losses: Losses) -> float:
    """exp of the mean over all tokens."""
    return math.exp(float(losses.mean(dtype=np.float64)))


def tail_perplexity(losses: Losses, length: int) -> float:
    """The same over the last `TAIL` tokens of each chunk (half a chunk that is shorter than two tails)."""
    return perplexity(losses.reshape(-1, length)[:, -min(TAIL, length // 2) :])


def by_position(losses: Losses, length: int) -> ChunkLoss:
    """The mean loss in `BUCKETS` equal stretches of chunks of that length."""
    width = length // BUCKETS
    nats = losses.reshape(-1, BUCKETS, width).mean((0, 2), dtype=np.float64)
    middles = np.arange(BUCKETS) * width + width // 2
    return {"position": middles.astype(np.int32), "nats": nats.astype(np.float32)}


def growth_range(losses: Losses, trained: Losses) -> Numbers:
    """Smallest and largest growth among the documents, each against itself at the trained length."""
    ratios = np.exp((losses - trained).mean(1, dtype=np.float64))
    return {"low": float(ratios.min()), "high": float(ratios.max())}


def _over(values: ByLength, reference: float, but: str = "") -> ByLength:
    return {length: value / reference for length, value in values.items() if length != but}


def _worst(growth: Mapping[str, ByLength], lengths: list[int]) -> str:
    """The one of `TREATMENTS` that grows most."""
    trained, longest = lengths[0], lengths[-1]
    at = str(STRETCH * trained if STRETCH * trained in lengths else longest)
    return max(TREATMENTS, key=lambda name: growth[name][at]) if longest > trained else ""
