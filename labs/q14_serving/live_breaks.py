"""Ways to break a service, each a setting of the real one or a real misfortune of its process. No torch.

A break is served twice, with equal arrivals: "sound" as it should be, "broken" with one thing changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Fault = Literal["", "slow", "freeze", "hang", "kill"]
"""What happens to the worker: `freeze` and `hang` hold it, for clients that wait and that do not."""
MOST_RATE = 30.0
"""Requests a second that the client is good for."""
CALM, CROWDED = 0.6, 1.6
"""Rates over what the service has just been seen to answer."""
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
    least_seconds: float = 0.0
    """A killed worker needs time to come back."""

    @property
    def front(self) -> bool:
        """Queue and breaker are in a process of their own, which outlives its worker."""
        return self.fault in ("slow", "hang", "kill")


Broken = tuple[Setup, Setup]
"""The same service sound and broken."""
BREAKS: dict[str, Callable[[Setup], Broken]] = {
    "no_batching": lambda base: (base, replace(base, slots=1)),
    "unbounded_queue": lambda base: _pair(replace(base, share=CROWDED), unbounded=True),
    "closed_loop": lambda base: _pair(replace(base, fault="freeze", unbounded=True), closed=True),
    "slow_worker": lambda base: _pair(base, fault="slow"),
    "worker_killed": lambda base: _pair(replace(base, least_seconds=14.0), fault="kill"),
    "breaker_off": lambda base: _pair(replace(base, fault="hang", least_seconds=8.0), breaker=False),
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
