"""Replicas that come and go under a load that changes, simulated request by request. Knows no model.

A replica serves `slots` requests at once; who finds no free slot waits in one queue. A new replica first
starts, which costs and helps nobody; one that is no longer wanted takes no new requests and ends with its
last one. Times are seconds. Plain Python, exact for given arrivals.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

TICK, ARRIVAL, DONE, READY = 0, 1, 2, 3


class Sight(NamedTuple):
    """What a policy sees: seconds, requests in service and waiting, replicas, and the last mean latency."""

    now: float
    running: int
    waiting: int
    ready: int
    starting: int
    latency: float
    """Mean seconds of the requests that ended since the last look; 0 where none did."""


Policy = Callable[[Sight], int]
"""Says how many replicas there should be, those that start included."""


@dataclass
class Target:
    """As many replicas as keep the slots busy to a share `target`; fewer only after `hold` quiet seconds.

    The rule of Kubernetes' HorizontalPodAutoscaler with its stabilization window, on requests in flight. A
    policy that does not count those that start (`impatient`) orders them again at every look.
    """

    slots: int
    target: float
    hold: float
    impatient: bool = False
    wanted: deque[tuple[float, int]] = field(default_factory=deque)

    def __call__(self, sight: Sight) -> int:
        need = math.ceil((sight.running + sight.waiting) / (self.target * self.slots))
        self.wanted.append((sight.now, need))
        while self.wanted[0][0] < sight.now - self.hold:
            self.wanted.popleft()
        known = sight.ready + (0 if self.impatient else sight.starting)
        if need > known:
            return need + (sight.starting if self.impatient else 0)
        return max(min(known, max(need for _, need in self.wanted)), 1)


@dataclass(frozen=True)
class Thresholds:
    """One more where mean latency or queue is above a limit, one less where both are below another."""

    up_latency: float
    up_waiting: int
    down_latency: float
    down_waiting: int

    def __call__(self, sight: Sight) -> int:
        now = sight.ready + sight.starting
        if sight.latency > self.up_latency or sight.waiting > self.up_waiting:
            return now + 1
        return now - 1 if sight.latency < self.down_latency and sight.waiting < self.down_waiting else now


@dataclass(frozen=True)
class Scaled:
    """Latencies in order of arrival; at every look replicas that are ready, all there are, and the queue."""

    latencies: list[float]
    looks: list[float]
    ready: list[int]
    present: list[int]
    waiting: list[int]
    orders: int
    """Replicas that were started or sent away."""
    replica_seconds: float


@dataclass(eq=False)
class _Replica:
    born: float
    ready: bool = False
    leaving: bool = False
    busy: int = 0


class Service:
    """One run: `bounds` of the number of replicas, which begin at the lower one; looks `every` so often."""

    def __init__(
        self, policy: Policy, *, slots: int, cold_start: float, bounds: tuple[int, int], every: float
    ) -> None:
        self.policy, self.slots, self.cold_start = policy, slots, cold_start
        self.least, self.most, self.every = *bounds, every
        self.replicas = [_Replica(0.0, ready=True) for _ in range(self.least)]
        self.queue, self.ended = deque[int](), list[float]()
        self.events: list[tuple[float, int, int]] = []
        self.running: dict[int, _Replica] = {}
        self.now = self.paid = 0.0
        self.orders = 0

    def run(self, arrivals: Sequence[float], services: Sequence[float], end: float) -> Scaled:
        """Serve them all; the policy looks until `end`."""
        self.services, latencies = services, [0.0] * len(arrivals)
        looks: list[tuple[float, int, int, int]] = []
        self.events = [(at, ARRIVAL, number) for number, at in enumerate(arrivals)]
        self.events += [(self.every * tick, TICK, 0) for tick in range(1, int(end / self.every) + 1)]
        heapq.heapify(self.events)
        while self.events:
            self.now, kind, number = heapq.heappop(self.events)
            if kind == ARRIVAL:
                self.queue.append(number)
            elif kind == DONE:
                self._leave(number)
                latencies[number] = self.now - arrivals[number]
                self.ended.append(latencies[number])
            elif kind == READY:
                for replica in self.replicas:
                    replica.ready = replica.ready or replica.born + self.cold_start <= self.now
            else:
                looks.append(self._look())
            self._begin()
        self.paid += sum(max(end, self.now) - replica.born for replica in self.replicas)
        return Scaled(
            latencies,
            [look[0] for look in looks],
            [look[1] for look in looks],
            [look[2] for look in looks],
            [look[3] for look in looks],
            self.orders,
            self.paid,
        )

    def _look(self) -> tuple[float, int, int, int]:
        staying = [replica for replica in self.replicas if not replica.leaving]
        ready = sum(replica.ready for replica in staying)
        latency = sum(self.ended) / len(self.ended) if self.ended else 0.0
        self.ended.clear()
        waiting = len(self.queue)
        sight = Sight(self.now, len(self.running), waiting, ready, len(staying) - ready, latency)
        wanted = min(max(self.policy(sight), self.least), self.most)
        self.orders += abs(wanted - len(staying))
        for _ in range(wanted - len(staying)):
            self.replicas.append(_Replica(self.now))
            heapq.heappush(self.events, (self.now + self.cold_start, READY, 0))
        for replica in staying[wanted:]:  # the newest leave first
            replica.leaving = True
            self._end_if_empty(replica)
        return self.now, ready, len(self.replicas), waiting

    def _begin(self) -> None:
        """Give waiting requests to the replicas with most free slots."""
        while self.queue:
            open_ones = [each for each in self.replicas if each.ready and not each.leaving]
            replica = min(open_ones, key=lambda each: each.busy, default=None)
            if replica is None or replica.busy == self.slots:
                return
            number = self.queue.popleft()
            replica.busy += 1
            self.running[number] = replica
            heapq.heappush(self.events, (self.now + self.services[number], DONE, number))

    def _leave(self, number: int) -> None:
        replica = self.running.pop(number)
        replica.busy -= 1
        self._end_if_empty(replica)

    def _end_if_empty(self, replica: _Replica) -> None:
        if replica.leaving and not replica.busy:
            self.replicas.remove(replica)
            self.paid += self.now - replica.born


def changing_arrivals(rate: Callable[[float], float], most: float, end: float, seed: int) -> list[float]:
    """Poisson arrivals whose rate changes, never above `most`, by thinning (Lewis and Shedler 1979)."""
    source, times, now = random.Random(seed), list[float](), 0.0
    while (now := now + source.expovariate(most)) < end:
        if source.random() * most < rate(now):
            times.append(now)
    return times
