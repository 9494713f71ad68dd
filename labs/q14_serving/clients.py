"""Two load tests for one server: an open loop, and the closed one that waits for every answer. asyncio only.

The open loop sends at times that were decided before, and counts latency from these: a server that is slow
cannot slow it down (Tene's "coordinated omission"; Schroeder et al. 2006 on open and closed models).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

TOLD_EVERY = 0.25
"""Seconds between two looks at what has come back."""


@dataclass(frozen=True)
class Sent:
    """One request: seconds from the beginning at which it was due and gone, and what became of it."""

    due: float
    end: float
    fate: str


Send = Callable[[], Awaitable[str]]
"""Sends one request, waits for its end, and says what became of it."""
Hear = Callable[[list[Sent]], None]
"""Is given all that have come back so far; may raise to stop the test."""


async def open_loop(send: Send, due: Sequence[float], hear: Hear) -> list[Sent]:
    """Send at these seconds, whatever becomes of the others; returns them in order of their ends."""
    loop, sent = asyncio.get_running_loop(), list[Sent]()
    began = loop.time()

    async def one(at: float) -> None:
        await asyncio.sleep(began + at - loop.time())
        fate = await send()
        sent.append(Sent(at, loop.time() - began, fate))

    await _all([asyncio.ensure_future(one(at)) for at in due], sent, hear)
    return sent


async def closed_loop(send: Send, pause: float, seconds: float, hear: Hear) -> list[Sent]:
    """Pause, send, wait for the answer, and again, until so many seconds are over."""
    loop, sent = asyncio.get_running_loop(), list[Sent]()
    began = loop.time()

    async def repeat() -> None:
        while loop.time() - began + pause < seconds:
            await asyncio.sleep(pause)
            at = loop.time() - began
            fate = await send()
            sent.append(Sent(at, loop.time() - began, fate))

    await _all([asyncio.ensure_future(repeat())], sent, hear)
    return sent


async def _all(tasks: list[asyncio.Task[None]], sent: list[Sent], hear: Hear) -> None:
    """Wait for all tasks; where one fails or `hear` raises, cancel the others first."""
    try:
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=TOLD_EVERY)
            for task in done:
                task.result()
            hear(sent)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
