"""Timing that treats all ways alike: in turn, round by round. Imports torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from minimind_core.device import synchronize

CHUNK_SECONDS = {"cpu": 0.04, "cuda": 0.01, "mps": 0.02}
"""One timing covers as many calls as fill this."""
MIN_ROUNDS, MAX_ROUNDS = 5, 60


def interleaved(
    ways: Mapping[str, Callable[[], object]],
    device: str,
    seconds: float,
    told: Callable[[float], None],
    *,
    min_rounds: int = MIN_ROUNDS,
    chunk_seconds: float | None = None,
) -> dict[str, list[float]]:
    """Seconds a call of each way, one number a round; every round runs all, each time in another order.

    A drift of the machine then meets all ways alike, and a round's ratio of two ways cancels it.
    `told` hears the share done after every timing and may raise. Stops after `seconds`, but not before
    `min_rounds`. With `chunk_seconds` 0 a timing covers one call, between whose turns all other ways run.
    """
    usual, where = CHUNK_SECONDS.get(device, CHUNK_SECONDS["cpu"]), torch.device(device)
    target = usual if chunk_seconds is None else chunk_seconds
    calls = {}
    for name, way in ways.items():
        way()  # warm up
        told(0.0)
        calls[name] = max(1, round(target / seconds_a_call(way, 1, where)))
    times: dict[str, list[float]] = {name: [] for name in ways}
    names, began = list(ways), time.perf_counter()
    for number in range(MAX_ROUNDS):
        spent = (time.perf_counter() - began) / seconds
        if number >= min_rounds and spent > 1:
            break
        told(min(spent, number / min_rounds, 1.0))
        first = number % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(seconds_a_call(ways[name], calls[name], where))
            told(min(spent, number / min_rounds, 1.0))
    return times


def seconds_a_call(way: Callable[[], object], calls: int, device: torch.device) -> float:
    """Of so many calls in a row, from an idle device to an idle device."""
    now = time.process_time if clock(device.type) == "processor" else time.perf_counter
    synchronize(device)
    began = now()
    for _ in range(calls):
        way()
    synchronize(device)
    return max(now() - began, 1e-9) / calls


def clock(device: str) -> Literal["processor", "wall"]:
    """What times are taken with. One thread on a CPU counts its own time, so that other programs do not."""
    return "processor" if device == "cpu" and torch.get_num_threads() == 1 else "wall"


def middle(values: list[float]) -> dict[str, float]:
    """Median, and the quartiles as low and high.

    >>> middle([1.0, 2.0, 3.0, 4.0, 100.0])
    {'median': 3.0, 'low': 2.0, 'high': 4.0}
    """
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return {"median": median, "low": low, "high": high}


def milliseconds(times: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Median and quartiles of each way's seconds, in milliseconds."""
    return {name: middle([1000 * seconds for seconds in rounds]) for name, rounds in times.items()}


def ratios(slow: Sequence[float], quick: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of how much longer one way takes than another, round by round.

    >>> ratios([2.0, 3.0, 9.0], [1.0, 1.0, 3.0])["median"]
    3.0
    """
    return middle([a / b for a, b in zip(slow, quick, strict=True)])
