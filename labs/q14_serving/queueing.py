"""Servers as queues: a simulation of replicas that decode in batches. Knows no model.

A replica decodes step after step; a step with b rows takes alpha + beta * b milliseconds and gives each
row one token. Requests go to the replica with the fewest outstanding ones. Plain Python, exact under
its seed. Clients are open (arrivals are given) or closed (each sends again a pause after its answer).
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

ARRIVAL, STEP, COLLECTED = 0, 1, 2
UNIFORM_SPREAD = 0.8
"""Uniform lengths lie within this share of their mean."""
BURST = 8
"""Requests that arrive at one instant where arrivals are bursty."""
Fate = Literal["answered", "rejected", "expired", "failed"]
"""Only `unsteady.py` has requests that fail."""


@dataclass(frozen=True)
class Fleet:
    """Replicas with one step-time curve in milliseconds; `static` batches wait for their slowest row.

    prefill: a step takes so much longer for each request that joins it. window: an idle replica collects
    that long before it begins, unless its batch is full. queue_limit: requests that may wait at a replica.
    patience: who waited longer is dropped instead of admitted. freeze: from when to when nothing moves.
    """

    replicas: int
    alpha: float
    beta: float
    cap: int
    static: bool = False
    prefill: float = 0.0
    window: float = 0.0
    queue_limit: int | None = None
    patience: float = math.inf
    freeze: tuple[float, float] | None = None

    def step_ms(self, rows: int, joining: int = 0) -> float:
        """How long a step takes."""
        return self.alpha + self.beta * rows + self.prefill * joining

    def ends(self, begin: float, duration: float) -> float:
        """When work that begins now ends; a freeze holds it up."""
        if self.freeze is None:
            return begin + duration
        start, end = self.freeze
        if start <= begin < end:
            return end + duration
        return begin + duration + (end - start if begin < start < begin + duration else 0)


@dataclass(frozen=True)
class Closed:
    """Clients that each wait for their answer, pause, and send again, until `until`; in milliseconds."""

    clients: int
    pause: float
    until: float


@dataclass
class Replica:
    """What one replica is doing; `active` is a heap of (last step, request)."""

    waiting: deque[int] = field(default_factory=deque)
    active: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0
    steps: int = 0
    busy_ms: float = 0.0
    running: bool = False
    collecting_until: float | None = None

    @property
    def outstanding(self) -> int:
        """Requests waiting or in the batch."""
        return len(self.waiting) + len(self.active)


@dataclass(frozen=True)
class Outcome:
    """What became of each request, in order of arrival. Times are milliseconds."""

    arrivals: list[float]
    ends: list[float]
    fates: list[Fate]
    seconds: float
    """Until the last one was gone."""
    busy_share: float

    @property
    def latencies(self) -> list[float]:
        """Of the answered ones."""
        rows = zip(self.arrivals, self.ends, self.fates, strict=True)
        return [end - arrival for arrival, end, fate in rows if fate == "answered"]

    @property
    def mean_in_flight(self) -> float:
        """Over time, from the first instant to the last."""
        stayed = sum(end - arrival for arrival, end in zip(self.arrivals, self.ends, strict=True))
        return stayed / (1000 * self.seconds)


def simulate(
    fleet: Fleet, arrivals: Sequence[float], lengths: Sequence[int], closed: Closed | None = None
) -> Outcome:
    """Serve requests that arrive at these milliseconds and want so many tokens; ends when all are gone.

    With `closed` its clients send, each first after one pause, and `arrivals` is not looked at. `lengths`
    begins again where there are more requests.
    """
    first = [closed.pause] * closed.clients if closed else arrivals
    return Simulation(fleet, first, lengths, closed).run()


class Simulation:
    """One run. `pick`, `step_ms` and `happen` are where another kind of fleet differs."""

    def __init__(
        self, fleet: Fleet, arrivals: Sequence[float], lengths: Sequence[int], closed: Closed | None = None
    ) -> None:
        self.fleet, self.lengths, self.closed = fleet, lengths, closed
        self.replicas = [Replica() for _ in range(fleet.replicas)]
        self.arrivals, self.ends = list(arrivals), [0.0] * len(arrivals)
        self.fates: list[Fate] = ["answered"] * len(arrivals)
        self.events = [(time, ARRIVAL, request) for request, time in enumerate(arrivals)]
        heapq.heapify(self.events)
        self.now = 0.0

    def run(self) -> Outcome:
        """Until nobody is left."""
        while self.events:
            self.now, kind, number = heapq.heappop(self.events)
            self.happen(kind, number)
        busy = sum(replica.busy_ms for replica in self.replicas)
        lasted = max(self.now, 1e-9)
        return Outcome(
            self.arrivals, self.ends, self.fates, lasted / 1000, busy / (lasted * self.fleet.replicas)
        )

    def happen(self, kind: int, number: int) -> None:
        """One event, of a request that arrives or of a replica."""
        if kind == ARRIVAL:
            self.join(number, self.pick())
        elif kind == STEP:
            self._finish(self.replicas[number])
            self._begin(number)
        elif self.replicas[number].collecting_until == self.now:
            self._launch(number)

    def pick(self) -> int:
        """The replica that gets the request which arrives now."""
        return min(range(len(self.replicas)), key=lambda index: self.replicas[index].outstanding)

    def step_ms(self, place: int, rows: int, joining: int) -> float:
        """How long a step that begins now takes at that replica."""
        return self.fleet.step_ms(rows, joining)

    def join(self, request: int, place: int) -> None:
        """A request comes to a replica."""
        replica, limit = self.replicas[place], self.fleet.queue_limit
        if limit is not None and len(replica.waiting) >= limit:
            self.gone(request, "rejected")
            return
        replica.waiting.append(request)
        if not replica.running:
            self._begin(place)
        elif replica.collecting_until is not None and len(replica.waiting) >= self.fleet.cap:
            self._launch(place)

    def _begin(self, place: int) -> None:
        """Collect first where nothing runs and there is a window to collect in; else the next step."""
        replica, fleet = self.replicas[place], self.fleet
        if fleet.window and not replica.active and 0 < len(replica.waiting) < fleet.cap:
            replica.running, replica.collecting_until = True, self.now + fleet.window
            heapq.heappush(self.events, (self.now + fleet.window, COLLECTED, place))
        else:
            self._launch(place)

    def _launch(self, place: int) -> None:
        replica = self.replicas[place]
        replica.collecting_until = None
        joining = self._admit(replica)
        replica.running = bool(replica.active)
        if replica.running:
            duration = self.step_ms(place, replica.rows, joining)
            replica.busy_ms += duration
            heapq.heappush(self.events, (self.fleet.ends(self.now, duration), STEP, place))

    def _admit(self, replica: Replica) -> int:
        """Fill the batch: at any step, or where batches are static only once it is empty."""
        if self.fleet.static and replica.active:
            return 0
        before = len(replica.active)
        while replica.waiting and len(replica.active) < self.fleet.cap:
            request = replica.waiting.popleft()
            if self.now - self.arrivals[request] > self.fleet.patience:
                self.gone(request, "expired")
                continue
            last = replica.steps + self.lengths[request % len(self.lengths)]
            heapq.heappush(replica.active, (last, request))
        replica.rows = len(replica.active)
        return replica.rows - before

    def _finish(self, replica: Replica) -> None:
        """End a step and let the answered requests go."""
        replica.steps += 1
        if self.fleet.static and replica.active and max(replica.active)[0] > replica.steps:
            return
        while replica.active and replica.active[0][0] <= replica.steps:
            self.gone(heapq.heappop(replica.active)[1], "answered")

    def gone(self, request: int, fate: Fate) -> None:
        """Note the end of a request; a closed client sends its next one after a pause."""
        self.ends[request], self.fates[request] = self.now, fate
        if self.closed and self.now + self.closed.pause < self.closed.until:
            heapq.heappush(self.events, (self.now + self.closed.pause, ARRIVAL, len(self.arrivals)))
            self.arrivals.append(self.now + self.closed.pause)
            self.ends.append(0.0)
            self.fates.append("answered")


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times in milliseconds, independent of each other, `rate` a second."""
    source, times, now = random.Random(seed), list[float](), 0.0
    while (now := now + source.expovariate(rate)) < seconds:
        times.append(1000 * now)
    return times


def arrivals_of(kind: str, rate: float, seconds: float, seed: int) -> list[float]:
    """Arrival times in milliseconds: poisson, even (one after another), bursty (`BURST` at an instant)."""
    if kind == "even":
        return [1000 * (index + 1) / rate for index in range(int(rate * seconds))]
    if kind == "bursty":
        return [time for time in poisson(rate / BURST, seconds, seed) for _ in range(BURST)]
    return poisson(rate, seconds, seed)


def lengths_of(kind: str, mean: int, count: int, seed: int) -> list[int]:
    """Output lengths with that mean: fixed, uniform (within `UNIFORM_SPREAD` of it), geometric."""
    source, half = random.Random(seed), int(UNIFORM_SPREAD * mean)
    draw: dict[str, Callable[[], int]] = {
        "fixed": lambda: mean,
        "uniform": lambda: source.randint(mean - half, mean + half),
        "geometric": lambda: (
            1 if mean == 1 else 1 + int(math.log(1 - source.random()) / math.log(1 - 1 / mean))
        ),
    }
    return [draw[kind]() for _ in range(count)]


def in_flight_at(arrivals: Sequence[float], ends: Sequence[float], times: Sequence[float]) -> list[int]:
    """How many requests have come and not gone, at each of these sorted times.

    >>> in_flight_at([0.0, 2.0], [5.0, 3.0], [1.0, 2.5, 4.0])
    [1, 2, 1]
    """
    changes = sorted([(time, 1) for time in arrivals] + [(time, -1) for time in ends])
    counts, count, place = [], 0, 0
    for time in times:
        while place < len(changes) and changes[place][0] <= time:
            count += changes[place][1]
            place += 1
        counts.append(count)
    return counts


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]
