"""The backend of an API node: puts a request into the stream and gives on what the workers say. No torch.

A worker that takes over a dead one's request begins it anew, with the same seed: what the client has already
is left out, and compared. Where it is not the same the answer is broken off rather than mixed of two.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from serving.backends.backend import Load, Piece, Work
from serving.errors import BackendFailed
from serving.scaleout.stream import RequestStream, Unreachable
from serving.scaleout.takeover import Given, repeatable
from serving.scaleout.wire import Order, Said

PAUSE_SECONDS = 0.1
PUT_SECONDS = 3.0
"""For which a request waits for a Redis that does not answer; restarted, it is back sooner."""
GONE = "The queue behind this server cannot be reached; try again in a moment."


class RedisBackend:
    """Answers by the workers of the stream at `address`."""

    def __init__(self, address: str) -> None:
        self._stream = RequestStream(address)
        self._node = uuid.uuid4().hex
        self._news: dict[str, asyncio.Queue[Said]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._models: list[str] = []
        self._reachable = True

    async def generate(self, work: Work) -> AsyncGenerator[Piece]:
        """See Backend."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        request = uuid.uuid4().hex
        news = self._news[request] = asyncio.Queue()
        entry, over = None, False
        try:
            entry = await self._put(Order(self._node, request, repeatable(work)))
            given = Given()
            while not over:
                said = await news.get()
                over = said.last
                for piece in given.new(said):
                    yield piece
                if said.error is not None:
                    raise said.error
        finally:
            del self._news[request]
            if entry is not None and not over:
                self._in_background(self._cancel(entry))

    async def models(self) -> list[str]:
        """See Backend. While Redis does not answer, what it said last."""
        try:
            self._models = await self._stream.models()
        except Unreachable as error:
            if not self._models:
                raise BackendFailed(GONE, retry_after=1) from error
        if not self._models:
            raise BackendFailed("No worker is here; start one, or try again in a moment.", retry_after=5)
        return self._models

    @property
    def alive(self) -> bool:
        """See Backend. False also while Redis cannot be reached: another node may do better."""
        return self._reachable

    def load(self) -> Load | None:
        """See Backend. The workers tell theirs themselves."""
        return None

    async def close(self) -> None:
        """See Backend."""
        await asyncio.gather(*self._leaving)
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self._stream.close()

    async def _put(self, order: Order) -> str:
        """Into the stream; a second try may add it twice, and then what is said twice is left out."""
        end = min(order.work.deadline, time.monotonic() + PUT_SECONDS)
        while True:
            try:
                return await self._stream.put(order.written())
            except Unreachable as error:
                if time.monotonic() + PAUSE_SECONDS >= end:
                    raise BackendFailed(GONE, retry_after=1) from error
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(self) -> None:
        """Give what is said to whoever waits for it, until the node ends."""
        after = "0-0"
        while True:
            try:
                for entry, said in await self._stream.answers(self._node, after):
                    after = entry
                    if (news := self._news.get(said.request)) is not None:
                        news.put_nowait(said)
                self._reachable = True
            except Unreachable:
                self._reachable = False
                await asyncio.sleep(PAUSE_SECONDS)

    async def _cancel(self, entry: str) -> None:
        with contextlib.suppress(Unreachable):  # then its worker finishes it for nobody
            await self._stream.cancel(entry)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
