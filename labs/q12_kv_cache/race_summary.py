"""A race as its steps tell it, ended or not: ratios, their spread, and whether both ways agreed. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

import numpy as np

from labs.q12_kv_cache.accounts import Counts, Generation, Way, filled

THIRDS = 3
"""The spread within a run: its ratio from the first step and every third of the others."""
WAYS: tuple[Way, ...] = ("without", "with")

Step = dict[str, Any]
"""One new token: its `number`, what each way took of `seconds`, `token_passes` and `bytes` ({} where it did
not run), `text`, and where both ran whether they chose the `same` and how far their logits are `apart`."""


class CacheHeld(TypedDict, total=False):
    """Keys and values at the end: their bytes, and the shape of one layer's keys."""

    bytes: Required[int]
    shape: list[int]


class Compared(TypedDict):
    """Of `steps` that both ways ran, how many chose the same, and the largest difference of their logits."""

    steps: int
    same: int
    largest_logit_difference: float


class RaceResult(TypedDict, total=False):
    """What each currency costs without the cache over what it costs with it; `spread` is that of the seconds.

    `times` are seconds of a step by way, one number a step; without the cache only `plain_steps` were run.
    `counter`: forwards whose operations torch's own counter saw, and how many agree with the formula.
    """

    prompt: Required[int]
    new: Required[int]
    batch: Required[int]
    weight_width: Required[int]
    cache_dtype: Required[str]
    kv_heads: int
    """As shipped where it is missing: in runs recorded before it could be chosen."""
    ratios: Required[dict[str, float]]
    cache: CacheHeld
    totals: dict[str, dict[str, float]]
    spread: dict[str, float]
    plain_steps: list[int]
    times: dict[str, list[float]]
    compared: Compared
    counter: dict[str, int]
    text: str


def settings(race: Generation, cache_dtype: str) -> RaceResult:
    """The race's own side, and what can be counted without running it."""
    return {
        "prompt": race.prompt,
        "new": race.new,
        "batch": race.batch,
        "weight_width": race.weight_width,
        "cache_dtype": cache_dtype,
        "kv_heads": race.kv_heads,
        "ratios": {name: float(ratio[-1]) for name, ratio in race.ratios().items()},
    }


def summary(asked: Generation, cache_dtype: str, steps: Sequence[Mapping[str, Any]]) -> RaceResult:
    """The race over the steps that were run, as if it ended with the last of them."""
    race = dataclasses.replace(asked, new=len(steps))
    plain = [step for step in steps if step["without"]]
    numbers = [step["number"] for step in plain]

    def each(way: Way, what: str) -> Counts:
        if way == "with":
            return np.array([step["with"][what] for step in steps])
        return filled(numbers, [step["without"][what] for step in plain], race.new)

    totals: dict[str, dict[str, float]] = {
        way: {what: float(each(way, what).sum()) for what in ("token_passes", "bytes", "seconds")}
        | {"operations": float(race.costs(way)["operations"].sum())}
        for way in WAYS
    }
    return {
        **settings(race, cache_dtype),
        "ratios": {what: totals["without"][what] / totals["with"][what] for what in totals["with"]},
        "totals": totals,
        "spread": spread(each("without", "seconds"), each("with", "seconds")),
        "plain_steps": numbers,
        "times": {
            "without": [step["without"]["seconds"] for step in plain],
            "with": [step["with"]["seconds"] for step in steps],
        },
        "compared": {
            "steps": len(plain),
            "same": sum(step["same"] for step in plain),
            "largest_logit_difference": max(step["apart"] for step in plain),
        },
        "text": "".join(step["text"] for step in steps),
    }


def spread(without: Counts, cached: Counts) -> dict[str, float]:
    """Lowest and highest ratio of the sums if only every third step had been timed, each for three.

    The first step (the prompt) happens once and is in all of them.
    """
    ratios = []
    for start in range(1, 1 + THIRDS):
        sums = [
            times[0] + times[1:].size * np.mean(times[start::THIRDS])
            if times[start::THIRDS].size
            else times.sum()
            for times in (without, cached)
        ]
        ratios.append(float(sums[0] / sums[1]))
    return {"low": min(ratios), "high": max(ratios)}
