"""How long something takes: after a warm-up, up to the end of the device's work, with the spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from minimind_core.device import synchronize


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs: the median, and the fastest and slowest."""

    median: float
    low: float
    high: float
    repeats: int

    def rate(self, amount: float) -> dict[str, float]:
        """`amount` a second, with its spread: the slowest run gives the low end."""
        return {"median": amount / self.median, "low": amount / self.high, "high": amount / self.low}


def time_calls(
    call: Callable[[], object],
    device: torch.device,
    *,
    warmup: int = 2,
    repeats: int = 5,
    on_run: Callable[[], None] = lambda: None,
) -> Timing:
    """Time `call`, each run from a synchronised device to a synchronised device.

    `on_run` is called after every run, those that warm up included, outside of the time that is taken.
    """
    return time_interleaved([call], device, warmup=warmup, repeats=repeats, on_run=on_run)[0]


def time_interleaved(
    calls: Sequence[Callable[[], object]],
    device: torch.device,
    *,
    warmup: int = 2,
    repeats: int = 5,
    on_run: Callable[[], None] = lambda: None,
) -> list[Timing]:
    """`time_calls` for several calls in turn, so that a busy moment of the machine falls on all of them."""
    seconds: list[list[float]] = [[] for _ in calls]
    for run in range(warmup + repeats):
        for call, taken in zip(calls, seconds, strict=True):
            synchronize(device)
            begin = time.perf_counter()
            call()
            synchronize(device)
            if run >= warmup:
                taken.append(time.perf_counter() - begin)
            on_run()
    return [Timing(statistics.median(taken), min(taken), max(taken), repeats) for taken in seconds]
