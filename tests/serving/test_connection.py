"""Clients that leave, or do not read: their requests end, and nobody else's do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from serving.api.connection import ClientGone, EventStream
from tests.serving.served import PROMPT, alone, held_back, until


class Visitor:
    """A client of the bare ASGI interface, which leaves when it is told to."""

    def __init__(self, **body: Any) -> None:
        self.leave = asyncio.Event()
        self.got: list[Any] = []
        self._content: bytes | None = json.dumps(body).encode()
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/generate",
            "raw_path": b"/generate",
            "query_string": b"",
            "headers": headers,
        }

    async def receive(self) -> dict[str, Any]:
        if self._content is not None:
            content, self._content = self._content, None
            return {"type": "http.request", "body": content, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.got.append(message)


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_ends_their_request_and_nobody_else_s(stream: bool) -> None:
    seed = next(seed for seed in range(100) if alone(seed, 1)[0] < 128)

    async def visit() -> tuple[int, dict[Any, int], Any]:
        async with held_back(num_slots=2) as (there, engine):
            asked = {"prompt": PROMPT, "max_tokens": 40, "seed": seed, "ignore_eos": True}
            visitor = Visitor(**asked, stream=stream)
            leaving = asyncio.create_task(there.app(visitor.scope, visitor.receive, visitor.send))
            staying = asyncio.create_task(there.client.post("/generate", json=asked))
            await until(lambda: there.service.gate.in_flight == 2)
            engine.let.release(8)
            await until(lambda: len(visitor.got) > 1 if stream else engine.scheduler.new_tokens > 0)
            visitor.leave.set()
            await leaving
            left = there.service.gate.in_flight
            engine.let.release(1000)
            answer = (await staying).json()
            await until(lambda: engine.scheduler.idle)
            return left, dict(engine.scheduler.finished), answer["token_ids"]

    left, finished, ids = asyncio.run(visit())
    assert left == 1 and finished == {"cancelled": 1, "length": 1} and ids == alone(seed, 40)


def test_who_leaves_while_it_waits_gives_the_place_back() -> None:
    async def visit() -> dict[Any, int]:
        async with held_back(num_slots=1) as (there, engine):
            visitor = Visitor(prompt=PROMPT, max_tokens=4)
            leaving = asyncio.create_task(there.app(visitor.scope, visitor.receive, visitor.send))
            await until(lambda: len(engine.scheduler.waiting) == 1)
            visitor.leave.set()
            await leaving
            assert there.service.gate.in_flight == 0 and not visitor.got
            engine.let.release(1000)
            await until(lambda: engine.scheduler.idle)
            return dict(engine.scheduler.finished)

    assert asyncio.run(visit()) == {"cancelled": 1}


def test_who_does_not_read_is_left() -> None:
    closed = []

    async def rest() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"more"
        finally:
            closed.append(True)

    async def send(message: Any) -> None:
        if message.get("body") == b"more":
            await asyncio.Event().wait()

    async def stay() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def visit() -> None:
        await EventStream(b"first", rest(), 0.05, {})({}, stay, send)

    with pytest.raises(ClientGone):
        asyncio.run(visit())
    assert closed
