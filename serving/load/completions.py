"""One streamed request to an OpenAI-compatible `/v1/completions`: what came back, and when.

Times are taken on the event loop's clock, as the loops take theirs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx

LONGEST_LINE = 2**20
"""Characters of an event after which a server is taken for broken."""
TOO_MANY = (429, 503)
"""How a server says that it has enough to do."""

ANSWERED, REJECTED, TIMED_OUT, UNREACHABLE = "answered", "rejected", "timed out", "unreachable"
DISCONNECTED, NO_STREAM, NOT_SENT = "disconnected", "broken stream", "not sent"


@dataclass(frozen=True)
class Reply:
    """What became of a request, its tokens, and after how many seconds the first and the last one came.

    kind: "answered"; "rejected" (429 or 503); "http 500" and the like; "timed out"; "unreachable" (no
    connection); "disconnected" (ended early); "broken stream" (no events, or an error among them); "not sent"
    (this client had too many in flight).
    """

    kind: str
    tokens: int = 0
    first: float | None = None
    last: float | None = None
    degraded: bool = False
    """Answered by a smaller model than asked for, as our service marks it."""

    @property
    def per_token(self) -> float | None:
        """Seconds a token after the first; None where there is no second one."""
        if self.first is None or self.last is None or self.tokens < 2:
            return None
        return (self.last - self.first) / (self.tokens - 1)


class Completions:
    """Sends the same request again and again, at most `most_in_flight` at a time, `timeout` seconds each.

    No proxy of the environment is used and no redirect followed, so that nobody else is met. `transport`
    replaces the network.
    """

    def __init__(
        self,
        url: httpx.URL,
        body: dict[str, Any],
        *,
        timeout: float,
        most_in_flight: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url, self.timeout, self.most_in_flight = url, timeout, most_in_flight
        self.body = {**body, "stream": True, "stream_options": {"include_usage": True}}
        self.in_flight = self.started = 0
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=most_in_flight)
        self._client = httpx.AsyncClient(timeout=None, limits=limits, trust_env=False, transport=transport)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def send(self) -> Reply:
        """One request, to its end."""
        self.started += 1
        if self.in_flight >= self.most_in_flight:
            return Reply(NOT_SENT)
        self.in_flight += 1
        reading = _Reading(asyncio.get_running_loop().time)
        try:
            async with asyncio.timeout(self.timeout):
                kind = await self._exchange(reading)
        except (TimeoutError, httpx.TimeoutException):
            kind = TIMED_OUT
        except httpx.ConnectError:
            kind = UNREACHABLE
        except httpx.TransportError:
            kind = DISCONNECTED
        except (ValueError, RecursionError, httpx.DecodingError):
            kind = NO_STREAM
        finally:
            self.in_flight -= 1
        return replace(reading.reply(), kind=kind)

    async def _exchange(self, reading: _Reading) -> str:
        async with self._client.stream("POST", self.url, json=self.body) as response:
            if response.status_code in TOO_MANY:
                return REJECTED
            if response.status_code != httpx.codes.OK:
                return f"http {response.status_code}"
            done = False
            async for data in _events(response):  # to the very end, or the connection could not be used again
                done = done or data == "[DONE]"
                if not done:
                    reading.hear(json.loads(data))
            return ANSWERED if done else DISCONNECTED


class _Reading:
    """What one stream has brought so far, counted from now."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.began = clock, clock()
        self.chunks, self.tokens = 0, 0
        self.first: float | None = None
        self.last: float | None = None
        self.degraded = False

    def hear(self, event: Any) -> None:
        """Take in an event of the stream; raises ValueError for one that is no part of an answer."""
        try:
            self.degraded = bool(event.get("degraded", False))
            texts = [choice["text"] for choice in event["choices"]]
            self.tokens = int((event.get("usage") or {}).get("completion_tokens", self.tokens))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("no part of an answer") from error
        if any(texts):
            self.last = self.clock() - self.began
            self.first = self.last if self.first is None else self.first
            self.chunks += 1

    def reply(self) -> Reply:
        """Tokens as the server counts them where it does so, else chunks with text."""
        return Reply("", self.tokens or self.chunks, self.first, self.last, self.degraded)


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    """The data of server-sent events, line by line. Raises ValueError for a line without end."""
    rest = ""
    async for text in response.aiter_text():
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            if line.startswith("data:"):
                yield line[5:].strip()
        if len(rest) > LONGEST_LINE:
            raise ValueError("a line without end")
