"""A server without a network for tests on the virtual clock: what it sends, and when, is scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx

DONE = b"data: [DONE]\n\n"
Piece = tuple[float, bytes]
"""Seconds to wait, then what is sent."""


def event(text: str, **more: Any) -> bytes:
    """A chunk of a streamed completion."""
    return f"data: {json.dumps({'choices': [{'text': text}], **more})}\n\n".encode()


def tokens(count: int, first: float, gap: float) -> list[Piece]:
    """An answer whose first token comes after `first` seconds, each other one `gap` later."""
    return [(first if number == 0 else gap, event(str(number))) for number in range(count)] + [(0.0, DONE)]


class Pieces(httpx.AsyncByteStream):
    """A body that comes in pieces; an exception in a piece's place is raised."""

    def __init__(self, pieces: Sequence[Piece | Exception]) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            await asyncio.sleep(piece[0])
            yield piece[1]


class Scripted(httpx.AsyncBaseTransport):
    """Answers with what `answer` makes of the request's body; an exception from it is the network's."""

    def __init__(
        self, answer: Callable[[dict[str, Any]], Awaitable[tuple[int, Sequence[Piece | Exception]]]]
    ) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(await request.aread()))
        status, pieces = await self.answer(self.bodies[-1])
        return httpx.Response(status, stream=Pieces(pieces))
