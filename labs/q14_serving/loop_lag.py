"""An event loop under an open load while some handler does long work, and a meter of how late the loop is.

asyncio only; imports no torch. What the long work is, the caller says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from serving.load.loops import Hear, Sent, open_loop

LOOK_EVERY = 0.005
"""Seconds between two looks of the meter."""

Work = Callable[[], Awaitable[object]]
"""What the handler of a long request awaits."""


class LagMeter:
    """Sleeps a moment again and again, and notes how much later than asked for it woke.

    Whatever else the loop has to do then waits as long. `looks` are pairs of seconds: when, from the
    beginning, it was to wake, and how late it was.
    """

    def __init__(self) -> None:
        self.looks: list[tuple[float, float]] = []

    async def watch(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            due = loop.time() + LOOK_EVERY
            await asyncio.sleep(LOOK_EVERY)
            self.looks.append((due - began, max(0.0, loop.time() - due)))

    @property
    def worst(self) -> float:
        """Seconds."""
        return max((late for _, late in self.looks), default=0.0)


@dataclass(frozen=True)
class Watched:
    """Short requests beside long ones in one loop, and what its meter saw."""

    short: list[Sent[str]]
    meter: LagMeter


async def under_load(
    short: Sequence[float], long: Sequence[float], answer_seconds: float, work: Work, hear: Hear
) -> Watched:
    """Requests due at these seconds: a short one waits for an engine elsewhere, a long one does `work`.

    `hear` is called while answers come, and may raise.
    """
    meter, sent, others = LagMeter(), list[Sent[str]](), list[Sent[object]]()

    async def answer() -> str:
        await asyncio.sleep(answer_seconds)
        return "answered"

    watching = asyncio.ensure_future(meter.watch())
    try:
        await asyncio.gather(
            open_loop(answer, short, sent, hear), open_loop(work, long, others, lambda: None)
        )
        await asyncio.sleep(2 * LOOK_EVERY)  # the meter sees the end of the last long work
    finally:
        watching.cancel()
    return Watched(sent, meter)
