"""Who is let in when, step by step: the engine's own scheduler under three rules. No tensors, no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from minimind_core.decoding.scheduler import HEAD_START, Request, Scheduler

Rule = Literal["arrival", "two_queues", "head_start"]
RULES: tuple[Rule, ...] = ("arrival", "two_queues", "head_start")
"""By arrival; urgent ones first, the others when none waits; the engine's own."""


@dataclass(frozen=True)
class Coming:
    """A request: the step from which it is there, the steps that it runs, its priority (0: a normal one)."""

    arrival: float
    steps: int
    priority: int


def most_overtaken(priority: int) -> int:
    """Later requests that pass one of the lowest priority at most, by the engine's rule.

    Each level is a head start of so many arrivals; where both then stand alike, the earlier one goes first.

    >>> most_overtaken(0), most_overtaken(1)
    (0, 15)
    """
    return max(0, HEAD_START * priority - 1)


def admissions(coming: Sequence[Coming], slots: int, rule: Rule, hear: Callable[[float], None]) -> list[int]:
    """The step at which each is given a slot, in the order of `coming`, which is that of arrival.

    By the engine's rule all wait in its own queue. By the other two they wait before it, and whoever is next
    is handed over when a slot is free. `hear` is told the share done.
    """
    scheduler = Scheduler(slots, queue_limit=len(coming), prefill_chunk=1)
    before: list[int] = []
    admitted: dict[int, int] = {}
    step = handed = 0

    def submit(number: int, priority: int) -> None:
        scheduler.submit(Request(number, [0], coming[number].steps, priority=priority))

    while len(admitted) < len(coming):
        while handed < len(coming) and coming[handed].arrival <= step:
            if rule == "head_start":
                submit(handed, coming[handed].priority)
            else:
                before.append(handed)
            handed += 1
        for _ in range(min(len(before), slots - scheduler.used_slots)):
            number = before.pop(_next_of(before, coming, rule))
            submit(number, 0)
        plan = scheduler.plan()
        admitted |= {request.id: step for request in plan.admitted}
        scheduler.choose(plan.decoding, [0] * len(plan.decoding))
        step += 1
        hear(len(admitted) / len(coming))
    return [admitted[number] for number in range(len(coming))]


def overtakings(admitted: Sequence[int]) -> list[int]:
    """How many that came later were let in earlier, for each."""
    return [sum(other < mine for other in admitted[number + 1 :]) for number, mine in enumerate(admitted)]


def _next_of(before: Sequence[int], coming: Sequence[Coming], rule: Rule) -> int:
    """Whose turn it is, as a place in `before`, which is in the order of arrival."""
    if rule == "arrival":
        return 0
    return max(range(len(before)), key=lambda place: (coming[before[place]].priority, -place))
