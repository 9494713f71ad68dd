"""Two ways to send: an open loop, and the closed one that waits for every answer. asyncio only.

The open loop sends at times that were decided before, so that a server that is slow cannot slow it down. In
the closed loop it can: requests that were due meanwhile are sent late or never, and the latencies they would
have had are missing, Tene's "coordinated omission" (2013; Schroeder et al. 2006 on open and closed models).
Both note when each request was due and when it was gone, so that either can be counted from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

TOLD_EVERY = 0.25
"""Seconds between two looks at what has come back."""


@dataclass(frozen=True)
class Sent(Generic[T]):
    """One request: seconds from the beginning when it was due, gone and over, and what came back."""

    due: float
    gone: float
    end: float
    reply: T


Send = Callable[[], Awaitable[T]]
"""Sends one request, waits for its end, and says what became of it."""
Hear = Callable[[], None]
"""Is called while requests come back, and at the end; may raise to stop the test."""


async def open_loop(send: Send[T], due: Iterable[float], sent: list[Sent[T]], hear: Hear) -> None:
    """Send at these sorted seconds, whatever becomes of the others; `sent` grows in the order of ends."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    began = loop.time()

    async def one(at: float) -> None:
        gone = loop.time() - began
        reply = await send()
        sent.append(Sent(at, gone, loop.time() - began, reply))

    async def spawn() -> None:
        for at in due:
            await asyncio.sleep(began + at - loop.time())
            tasks.add(asyncio.ensure_future(one(at)))

    tasks.add(asyncio.ensure_future(spawn()))
    await _all(tasks, hear)


async def closed_loop(
    send: Send[T], pause: float, seconds: float, sent: list[Sent[T]], hear: Hear, *, clients: int = 1
) -> None:
    """Each client pauses, sends, waits for the answer, and again, until so many seconds are over.

    Its requests were due one pause apart, as if no answer took any time. Clients begin one after another,
    spread over the first pause.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def repeat(first: float) -> None:
        due = now = first
        while now + pause < seconds:
            await asyncio.sleep(pause + began + now - loop.time())
            due, gone = due + pause, loop.time() - began
            reply = await send()
            now = loop.time() - began
            sent.append(Sent(due, gone, now, reply))

    starts = [pause * client / clients for client in range(clients)]
    await _all({asyncio.ensure_future(repeat(start)) for start in starts}, hear)


async def _all(tasks: set[asyncio.Task[None]], hear: Hear) -> None:
    """Wait for all tasks, those that join meanwhile included; where one fails, cancel the others first."""
    try:
        while tasks:
            done, _ = await asyncio.wait(tasks, timeout=TOLD_EVERY)
            tasks -= done
            for task in done:
                task.result()
            hear()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
