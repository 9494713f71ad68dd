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
CALM, CROWDED = 0.6, 1.6
"""Rates over what the service has just been seen to answer."""
LEAST_REQUESTS = 10
"""Of a run, where the machine is slow."""
BEGIN, END = 0.2, 0.55
"""Shares of the run between which a worker is slow or hangs; one that is killed is gone at the first."""


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
    least_seconds: float = 0.0
    """Of a run that is to show more than the beginning of its break."""
    starts: float = 0.0
    """The run lasts at least so many times as long as a worker takes to start, to see it come back."""

    def lasts(self, wished: float, start: float, rate: float) -> float:
        """Seconds of the run, where a worker took `start` seconds and `rate` requests a second are sent."""
        enough = LEAST_REQUESTS / rate
        return min(MOST_SECONDS, max(wished, self.least_seconds, self.starts * start, enough))


Broken = tuple[Setup, Setup]
"""The same service sound and broken."""
BREAKS: dict[str, Callable[[Setup], Broken]] = {
    "no_batching": lambda base: (base, replace(base, slots=1)),
    "unbounded_queue": lambda base: _pair(replace(base, share=CROWDED, least_seconds=15.0), unbounded=True),
    "closed_loop": lambda base: _pair(replace(base, fault="freeze", unbounded=True), closed=True),
    "slow_worker": lambda base: _pair(replace(base, front=True), fault="slow"),
    "worker_killed": lambda base: _pair(replace(base, front=True, starts=2.5), fault="kill"),
    "breaker_off": lambda base: _pair(
        replace(base, front=True, fault="hang", least_seconds=12.0), breaker=False
    ),
}


def setups(name: str, slots: int) -> dict[str, Setup]:
    """The services of a run by "sound" and "broken"; without a break only the first."""
    base = Setup(slots, slots)
    if name not in BREAKS:
        return {"sound": base}
    sound, broken = BREAKS[name](base)
    return {"sound": sound, "broken": broken}


def _pair(base: Setup, **change: bool | Fault) -> Broken:
    return base, replace(base, **change)  # type: ignore[arg-type]
