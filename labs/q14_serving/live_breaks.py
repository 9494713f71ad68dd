"""Ways to break a service, each a setting of the real one or a real misfortune of its process. No torch.

A break is served twice, with equal arrivals: "sound" as it should be, "broken" with one thing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Fault = Literal["", "slow", "freeze", "hang", "kill"]
"""What happens to the worker: `freeze` and `hang` hold it, for clients that wait and that do not."""
MOST_RATE, MOST_SECONDS = 30.0, 60.0
"""Requests a second that the client is good for, and what a run lasts at most."""
CALM, CROWDED = 0.6, 2.0
"""Rates over what the service has just been seen to answer."""
GOAL_BATCHES, HANG_BATCHES = 3.0, 2.5
"""Times of a full batch that an answer may take: by the goal that suits a machine, and by the deadline that
notices a worker that hangs. Who waits in a queue as long as the slots is answered within two."""
DEADLINE, LEAST_DEADLINE = 10.0, 1.0
"""Seconds that a request may take where nothing hangs, and at least."""
LEAST_REQUESTS, HANG_REQUESTS = 10, 40
"""Of a run, where the machine is slow; the second for one that is to tell those before a breaker opens, those
that a smaller model answers, and those after it."""
BEGIN, END, HANG_END = 0.2, 0.55, 0.8
"""Shares of the run between which a worker is slow or frozen; one that is killed is gone at the first, one
that hangs is back at the last."""


@dataclass(frozen=True)
class Setup:
    """One service and its client. `share` of its capacity is sent where no rate is asked for.

    The queue is as long as the slots are many: who waits, waits about one answer long.
    """

    slots: int
    queue: int
    unbounded: bool = False
    breaker: bool = True
    closed: bool = False
    share: float = CALM
    fault: Fault = ""
    front: bool = False
    """Queue and breaker are in a process of their own, which outlives its worker."""
    fallback: bool = False
    """A smaller model is in that process too, and answers while the breaker is open."""
    least_seconds: float = 0.0
    least_requests: int = LEAST_REQUESTS
    """Of a run that is to show more than the beginning of its break."""
    starts: float = 0.0
    """The run lasts at least so many times as long as a worker takes to start, to see it come back."""

    def lasts(self, wished: float, start: float, rate: float) -> float:
        """Seconds of the run, where a worker took `start` seconds and `rate` requests a second are sent."""
        enough = self.least_requests / rate
        return min(MOST_SECONDS, max(wished, self.least_seconds, self.starts * start, enough))

    @property
    def until(self) -> float:
        """Share of the run at which its misfortune is over."""
        return HANG_END if self.fault == "hang" else END

    def deadline(self, capacity: float) -> float:
        """Seconds that a request may take, where so many answers a second are possible."""
        if self.fault != "hang":
            return DEADLINE
        return min(DEADLINE, max(LEAST_DEADLINE, HANG_BATCHES * self.slots / capacity))

    def away(self, seconds: float, deadline: float) -> float:
        """Share of a run whose requests get no answer: nobody makes it before their deadline."""
        if self.fault != "hang" or (self.breaker and self.fallback):
            return 0.0
        return max(0.0, self.until - BEGIN - deadline / seconds)


Broken = tuple[Setup, Setup]
"""The same service sound and broken."""
BREAKS: dict[str, Callable[[Setup], Broken]] = {
    "no_batching": lambda base: (base, replace(base, slots=1)),
    "unbounded_queue": lambda base: _pair(replace(base, share=CROWDED, least_seconds=20.0), unbounded=True),
    "closed_loop": lambda base: _pair(replace(base, fault="freeze", unbounded=True), closed=True),
    "slow_worker": lambda base: _pair(replace(base, front=True), fault="slow"),
    "worker_killed": lambda base: _pair(replace(base, front=True, starts=2.5), fault="kill"),
    "breaker_off": lambda base: _pair(_hanging(max(1, base.slots // 2)), breaker=False),
}


def setups(name: str, slots: int) -> dict[str, Setup]:
    """The services of a run by "sound" and "broken"; without a break only the first."""
    base = Setup(slots, slots)
    if name not in BREAKS:
        return {"sound": base}
    sound, broken = BREAKS[name](base)
    return {"sound": sound, "broken": broken}


def _hanging(slots: int) -> Setup:
    """Few slots: a full batch is over soon, and so a worker that hangs is noticed soon."""
    return Setup(
        slots,
        slots,
        fault="hang",
        front=True,
        fallback=True,
        least_seconds=12.0,
        least_requests=HANG_REQUESTS,
    )


def _pair(base: Setup, **change: bool | Fault) -> Broken:
    return base, replace(base, **change)  # type: ignore[arg-type]
