"""Replicas of which one is slow for a while, or dies and comes back, behind a balancer. Knows no model.

The balancer counts what each replica has outstanding and knows nothing else, until it notices a death: then
it leaves that replica out until it is back. A request that comes to a dead one fails at once, as a refused
connection does, or goes on to another one; what a replica had when it died fails with it.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from labs.q14_serving.queueing import Fleet, Outcome, Replica, Simulation

Balance = Literal["round_robin", "random", "two", "least"]
VICTIM = 0
"""The replica that is slow or dies."""
DIES, NOTICED, BACK = 3, 4, 5


@dataclass(frozen=True)
class Misfortune:
    """From `begin` to `end` the victim takes `slowness` times as long for a step, or is `dead`.

    `noticed`: when the balancer learns of a death. All in milliseconds.
    """

    begin: float
    end: float
    slowness: float = 1.0
    dead: bool = False
    noticed: float = 0.0


def _least(places: Sequence[int], outstanding: Sequence[int], turn: int, _source: random.Random) -> int:
    """Equal ones in turn, or else the first of them would get more."""
    return min(places, key=lambda place: (outstanding[place], (place - turn) % len(outstanding)))


def _two(places: Sequence[int], outstanding: Sequence[int], turn: int, source: random.Random) -> int:
    return _least(source.sample(places, min(2, len(places))), outstanding, turn, source)


BALANCES: dict[Balance, Callable[[Sequence[int], Sequence[int], int, random.Random], int]] = {
    "round_robin": lambda places, _outstanding, turn, _source: places[turn % len(places)],
    "random": lambda places, _outstanding, _turn, source: source.choice(places),
    "two": _two,
    "least": _least,
}
"""By name: of replicas to choose from, by outstanding requests of all, the request's turn and chance, one."""


@dataclass(frozen=True)
class Balanced:
    """What became of the requests, and to which replica the balancer sent each first."""

    outcome: Outcome
    places: list[int]


def balanced(
    fleet: Fleet,
    arrivals: Sequence[float],
    lengths: Sequence[int],
    balance: Balance,
    misfortune: Misfortune,
    *,
    retry: bool = False,
    seed: int = 0,
) -> Balanced:
    """Serve these requests; with `retry` whoever comes to a dead replica is sent to another one, once."""
    run = _Unsteady(fleet, arrivals, lengths, balance, misfortune, retry, seed)
    return Balanced(run.run(), run.places)


def share_of_slow(slowness: float, replicas: int) -> float:
    """Of all requests that a slow replica gets from whoever counts what is outstanding.

    All hold equally many, and it lets them go so many times as late.

    >>> round(share_of_slow(4.0, 5), 3)
    0.059
    """
    return 1 / (slowness * (replicas - 1) + 1)


def share_of_dead(load: float, replicas: int) -> float:
    """The same of a dead one that refuses at once, and so has nothing outstanding, while nobody has noticed.

    Another one is given a request only when it has none either, and is then busy: `load` is the rate times
    the time of a request alone. All that have none get equally many, and i is the share of the time in which
    another one is among them: (n - 1) i^2 + (load - n + 2) i = 1.

    >>> round(share_of_dead(31.3, 5), 2), round(share_of_dead(0.001, 5), 2)
    (0.88, 0.2)
    """
    others, middle = replicas - 1, load - replicas + 2
    idle = (math.sqrt(middle**2 + 4 * others) - middle) / (2 * others)
    return 1 / (1 + others * idle)


class _Unsteady(Simulation):
    def __init__(
        self,
        fleet: Fleet,
        arrivals: Sequence[float],
        lengths: Sequence[int],
        balance: Balance,
        misfortune: Misfortune,
        retry: bool,
        seed: int,
    ) -> None:
        super().__init__(fleet, arrivals, lengths)
        self.choose, self.misfortune, self.retry = BALANCES[balance], misfortune, retry
        self.source, self.places = random.Random(seed), list[int]()
        self.alive = self.known = list(range(fleet.replicas))
        """Replicas that answer, and those to which the balancer sends."""
        if misfortune.dead:
            heapq.heappush(self.events, (misfortune.begin, DIES, VICTIM))
            heapq.heappush(self.events, (misfortune.end, BACK, VICTIM))
            if misfortune.noticed < misfortune.end:
                heapq.heappush(self.events, (misfortune.noticed, NOTICED, VICTIM))

    def happen(self, kind: int, number: int) -> None:
        if kind == DIES:
            self._die()
        elif kind == NOTICED:
            self.known = self.alive
        elif kind == BACK:
            self.alive = self.known = list(range(len(self.replicas)))
        else:
            super().happen(kind, number)

    def pick(self) -> int:
        place = self._choose(self.known)
        self.places.append(place)
        return place

    def join(self, request: int, place: int) -> None:
        if place not in self.alive and self.retry:
            place = self._choose([other for other in self.known if other != place])
        if place in self.alive:
            super().join(request, place)
        else:
            self.gone(request, "failed")

    def step_ms(self, place: int, rows: int, joining: int) -> float:
        usual, change = super().step_ms(place, rows, joining), self.misfortune
        slow = place == VICTIM and change.begin <= self.now < change.end
        return usual * change.slowness if slow else usual

    def _choose(self, places: Sequence[int]) -> int:
        outstanding = [replica.outstanding for replica in self.replicas]
        return self.choose(places, outstanding, len(self.places), self.source)

    def _die(self) -> None:
        """It is back only after the end of the step that it was at, which then finds nobody."""
        self.alive = [place for place in self.alive if place != VICTIM]
        lost, self.replicas[VICTIM] = self.replicas[VICTIM], Replica()
        for request in [*lost.waiting, *(request for _, request in lost.active)]:
            self.gone(request, "failed")
