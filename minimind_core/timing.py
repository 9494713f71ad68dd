"""How long something takes: after a warm-up, up to the end of the device's work, with the spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
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
    for _ in range(warmup):
        call()
        on_run()
    seconds = []
    for _ in range(repeats):
        synchronize(device)
        begin = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - begin)
        on_run()
    return Timing(statistics.median(seconds), min(seconds), max(seconds), repeats)
