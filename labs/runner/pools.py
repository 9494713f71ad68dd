"""The workers of one runner in pools: those of a pool have equal devices and take their runs from one queue.

A single machine has one worker a pool; a cluster has several for the chosen device. Knows no queue or job.
Opened by the supervisor's thread, read by any.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from labs.runner.lane import Lane
from labs.runner.process import Worker
from labs.runner.protocol import Message

_NEAREST = ("ready", "loading", "starting", "dead")
"""The states of a worker, by how soon it can measure."""


class Pools:
    """`lanes` has every lane by its name; the first of a pool is called as the pool is."""

    def __init__(self, config: Mapping[str, Any], on_event: Callable[[Lane, Worker, Message], None]) -> None:
        self._config, self._on_event = config, on_event
        self.lanes: dict[str, Lane] = {}

    def open(self, pool: str, device: str, workers: int = 1) -> list[str]:
        """Start the workers of a pool. Returns the names of their lanes."""
        names = [pool, *(f"{pool} {number}" for number in range(2, workers + 1))]
        config = {**self._config, "device": device}
        lanes = {name: Lane(name, config, self._on_event, time.monotonic(), pool) for name in names}
        self.lanes = {**self.lanes, **lanes}  # another dict: other threads may be reading the old one
        return names

    def of(self, pool: str) -> list[Lane]:
        """The lanes of a pool; none before it is opened."""
        return [lane for lane in self.lanes.values() if lane.pool == pool]

    def best(self, pool: str) -> Lane | None:
        """The lane of a pool that can measure first; None before it is opened."""
        return min(self.of(pool), key=lambda lane: _NEAREST.index(lane.status.state), default=None)

    def revive(self, pool: str, now: float) -> None:
        """Try the dead lanes of a pool again, though not at every request."""
        for lane in self.of(pool):
            lane.revive(now)

    def dead(self, pool: str) -> bool:
        """True when no lane of a pool has a worker, nor one that is starting."""
        return all(lane.dead for lane in self.of(pool))
