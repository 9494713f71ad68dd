"""Who has which slot of an engine when, and what that comes to. Steps are the time; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from labs.q14_serving.queueing import percentile


class Stay(NamedTuple):
    """One request, in steps: it arrived, was given `slot` at `admitted`, and had its tokens."""

    arrival: float
    slot: int
    admitted: int
    first: int
    """The end of the step that gave its first token; its prompt was read until one step before."""
    end: int
    """Of the step that gave its last one."""
    back: int
    """When the answer was handed back: at once, or with the last of its batch."""

    @property
    def steps(self) -> float:
        """From its arrival until it had its answer."""
        return self.back - self.arrival


class Served(TypedDict):
    """Of one way to batch. `stays` as lists; shares of all slot steps; `goodput` in a hundred steps.

    `needless_percent`: slots that stood empty, or waited for the rest of their batch, while requests waited.
    """

    stays: list[list[float]]
    steps: int
    goodput: float
    mean_wait: float
    p50: float
    p95: float
    used_percent: float
    needless_percent: float
    waiting: list[int]


class Instant(TypedDict):
    """Of one way at one step: slots that read a prompt, that decode, that do neither, and who waits."""

    reading: int
    decoding: int
    idle: int
    waiting: int


def served(stays: Sequence[Stay], slots: int, goal: float) -> Served:
    """Sum up a trace, over the steps until its last end."""
    steps = max(stay.back for stay in stays)
    instants = [at(stays, slots, step) for step in range(steps)]
    taken = sum(each["reading"] + each["decoding"] for each in instants)
    needless = sum(min(each["idle"], each["waiting"]) for each in instants)
    times = [stay.steps for stay in stays]
    return {
        "stays": [list(stay) for stay in stays],
        "steps": steps,
        "goodput": 100 * sum(time <= goal for time in times) / steps,
        "mean_wait": sum(stay.admitted - stay.arrival for stay in stays) / len(stays),
        "p50": percentile(times, 50),
        "p95": percentile(times, 95),
        "used_percent": 100 * taken / (slots * steps),
        "needless_percent": 100 * needless / (slots * steps),
        "waiting": [each["waiting"] for each in instants],
    }


def at(stays: Sequence[Stay], slots: int, step: int) -> Instant:
    """What the slots do in a step.

    >>> at([Stay(0.0, 0, 0, 2, 5, 5), Stay(0.5, 0, 5, 6, 7, 7)], 2, 3)
    {'reading': 0, 'decoding': 1, 'idle': 1, 'waiting': 1}
    """
    reading = sum(stay.admitted <= step < stay.first - 1 for stay in stays)
    decoding = sum(stay.first - 1 <= step < stay.end for stay in stays)
    waiting = sum(stay.arrival <= step < stay.admitted for stay in stays)
    return {"reading": reading, "decoding": decoding, "idle": slots - reading - decoding, "waiting": waiting}
