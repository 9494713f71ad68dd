"""The events of one request, gathered: the first and the last come at once, those between in small batches.

At a thousand tokens a second nobody reads one by one, but each that is sent alone costs the server's one
process a wake-up, some JSON and a write. Tokens that come slower than `seconds` come one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from typing import Any

from minimind_core.decoding.engine import TokenEvent
from minimind_core.decoding.engine_thread import EngineThread
from minimind_core.decoding.sampling_params import SamplingParams


class GatheredStream:
    """For the event loop that it is made in."""

    def __init__(self, front: EngineThread, seconds: float) -> None:
        self._front, self._seconds, self._loop = front, seconds, asyncio.get_running_loop()
        self._events: deque[TokenEvent] = deque()
        self._ready = asyncio.Event()
        self._wanted = True
        """The next event is waited for, and wakes the loop; else a timer will look for it."""
        self._request_id = -1

    async def submit(self, prompt_ids: Sequence[int], sampling: SamplingParams, **options: Any) -> None:
        """Raises what `Engine.submit` raises, and EngineStopped. Cancelled, it cancels the request."""
        submitted = self._front.start(self._deliver, prompt_ids, sampling, **options)
        try:
            self._request_id = await asyncio.shield(asyncio.wrap_future(submitted))
        except asyncio.CancelledError:
            submitted.add_done_callback(self._cancel_submitted)
            raise

    async def __aiter__(self) -> AsyncIterator[list[TokenEvent]]:
        """All that has come since the last time; an end without a token comes alone."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            events = [self._events.popleft() for _ in range(len(self._events))]
            *tokens, last = events
            if tokens and last.token is None:
                yield tokens
                events = [last]
            yield events
            if last.finish is not None:
                return
            if self._seconds:
                self._loop.call_later(self._seconds, self._look)
            else:
                self._look()

    def cancel(self) -> None:
        """End the request, if it has not ended. Raises EngineStopped."""
        self._front.cancel(self._request_id)

    def _deliver(self, event: TokenEvent) -> None:
        """Called by the engine's thread."""
        self._events.append(event)
        if (self._wanted or event.finish is not None) and not self._loop.is_closed():
            self._wanted = False
            self._loop.call_soon_threadsafe(self._ready.set)

    def _look(self) -> None:
        """Wake up for what has come; else the next event does. One that comes just now is seen by either."""
        self._wanted = True
        if self._events:
            self._wanted = False
            self._ready.set()

    def _cancel_submitted(self, submitted: Future[int]) -> None:
        if submitted.exception() is None:
            self._front.cancel(submitted.result())
