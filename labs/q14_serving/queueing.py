"""Servers as queues: Erlang's formula, and a simulation of replicas that decode in batches. Knows no model.

A replica decodes step after step; a step with b rows takes alpha + beta * b milliseconds and gives each
row one token. Requests go to the replica with the fewest outstanding ones. Plain Python, exact under
its seed.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ARRIVAL, STEP = 0, 1


@dataclass(frozen=True)
class Fleet:
    """Replicas with one step-time curve in milliseconds; `static` batches wait for their slowest row."""

    replicas: int
    alpha: float
    beta: float
    cap: int
    static: bool = False

    def step_ms(self, rows: int) -> float:
        """How long a step takes."""
        return self.alpha + self.beta * rows


@dataclass
class Replica:
    """What one replica is doing; `active` is a heap of (last step, request)."""

    waiting: deque[int] = field(default_factory=deque)
    active: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0
    steps: int = 0
    busy_ms: float = 0.0
    running: bool = False

    @property
    def outstanding(self) -> int:
        """Requests waiting or in the batch."""
        return len(self.waiting) + len(self.active)


@dataclass(frozen=True)
class Outcome:
    """Latencies in milliseconds in order of arrival, and shares of time."""

    latencies: list[float]
    busy_share: float
    mean_in_flight: float


def simulate(fleet: Fleet, arrivals: Sequence[float], lengths: Sequence[int]) -> Outcome:
    """Serve requests that arrive at these milliseconds and want so many tokens; ends when all are served."""
    replicas = [Replica() for _ in range(fleet.replicas)]
    latencies = [0.0] * len(arrivals)
    events = [(time, ARRIVAL, request) for request, time in enumerate(arrivals)]
    heapq.heapify(events)
    now = 0.0
    while events:
        now, kind, number = heapq.heappop(events)
        if kind == ARRIVAL:
            place = min(range(fleet.replicas), key=lambda index: replicas[index].outstanding)
            replicas[place].waiting.append(number)
        else:
            place = number
            for request in _finish(replicas[place], fleet):
                latencies[request] = now - arrivals[request]
        replica = replicas[place]
        if kind == STEP or not replica.running:
            _admit(replica, fleet, lengths)
            replica.running = bool(replica.active)
            if replica.running:
                duration = fleet.step_ms(replica.rows)
                replica.busy_ms += duration
                heapq.heappush(events, (now + duration, STEP, place))
    return Outcome(
        latencies, sum(replica.busy_ms for replica in replicas) / (now * fleet.replicas), sum(latencies) / now
    )


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times in milliseconds, independent of each other, `rate` a second."""
    source, times, now = random.Random(seed), list[float](), 0.0
    while (now := now + source.expovariate(rate)) < seconds:
        times.append(1000 * now)
    return times


def lengths_of(kind: str, mean: int, count: int, seed: int) -> list[int]:
    """Output lengths with that mean: fixed, uniform (mean − 40 to mean + 40), geometric."""
    source = random.Random(seed)
    draw: dict[str, Callable[[], int]] = {
        "fixed": lambda: mean,
        "uniform": lambda: source.randint(mean - 40, mean + 40),
        "geometric": lambda: 1 + int(math.log(1 - source.random()) / math.log(1 - 1 / mean)),
    }
    return [draw[kind]() for _ in range(count)]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def erlang_wait(load: float, servers: int) -> float:
    """Probability that a request has to wait, M/M/c with `load` erlangs below `servers`.

    >>> erlang_wait(0.5, 1)
    0.5
    """
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def _finish(replica: Replica, fleet: Fleet) -> list[int]:
    """End a step; the requests that are answered."""
    replica.steps += 1
    if fleet.static and replica.active and max(replica.active)[0] > replica.steps:
        return []
    done = []
    while replica.active and replica.active[0][0] <= replica.steps:
        done.append(heapq.heappop(replica.active)[1])
    return done


def _admit(replica: Replica, fleet: Fleet, lengths: Sequence[int]) -> None:
    """Fill the batch: at any step, or where batches are static only once it is empty."""
    if fleet.static and replica.active:
        return
    while replica.waiting and len(replica.active) < fleet.cap:
        request = replica.waiting.popleft()
        heapq.heappush(replica.active, (replica.steps + lengths[request], request))
    replica.rows = len(replica.active)
