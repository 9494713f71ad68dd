"""The visitors of a soak: each sends one request of its kind and says what was wrong with the answer.

They stream, wait for whole answers, talk, send long prompts, leave in the middle, and send what cannot be.
No torch.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx

from serving.load.completions import ANSWERED, Completions

SHARES = {"stream": 35, "whole": 20, "chat": 15, "long": 10, "leave": 12, "faulty": 8}
"""Percent of the visitors."""
PROMPT = "The weather today"
LONG_TOKENS = 128
PATIENCE = 90.0
"""Seconds that a visitor waits; the service says no before."""
MOST_IN_FLIGHT = 2048


class Visit(NamedTuple):
    """A visitor's kind, and what was wrong; None where it got what it should."""

    kind: str
    fault: str | None


class Visitors:
    """Sends to the service at `address`, answers of `tokens` tokens, kinds drawn with `seed`."""

    def __init__(self, address: str, tokens: int, seed: int) -> None:
        self._random, self._tokens = random.Random(seed), tokens
        self._client = httpx.AsyncClient(
            base_url=address,
            timeout=PATIENCE,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=MOST_IN_FLIGHT),
        )
        url = httpx.URL(f"{address}/v1/completions")
        self._streams = {
            kind: Completions(url, self._body(prompt=prompt), timeout=PATIENCE, most_in_flight=MOST_IN_FLIGHT)
            for kind, prompt in (("stream", PROMPT), ("long", [5] * LONG_TOKENS))
        }
        self._visits: dict[str, Callable[[], Awaitable[str | None]]] = {
            "stream": lambda: self._stream("stream"),
            "whole": lambda: self._whole("/generate", prompt=PROMPT),
            "chat": lambda: self._whole(
                "/v1/chat/completions", messages=[{"role": "user", "content": PROMPT}]
            ),
            "long": lambda: self._stream("long"),
            "leave": self._leave,
            "faulty": self._faulty,
        }

    async def send(self) -> Visit:
        """One visit, to its end."""
        [kind] = self._random.choices(list(SHARES), list(SHARES.values()))
        try:
            return Visit(kind, await self._visits[kind]())
        except httpx.HTTPError as error:
            return Visit(kind, type(error).__name__)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        for stream in self._streams.values():
            await stream.close()

    def _body(self, **more: Any) -> dict[str, Any]:
        return {"max_tokens": self._tokens, "temperature": 0, "ignore_eos": True, **more}

    async def _stream(self, kind: str) -> str | None:
        reply = await self._streams[kind].send()
        if reply.kind != ANSWERED:
            return reply.kind
        return None if reply.tokens == self._tokens else f"{reply.tokens} tokens"

    async def _whole(self, path: str, **what: Any) -> str | None:
        answer = await self._client.post(path, json=self._body(**what))
        if answer.status_code != httpx.codes.OK:
            return f"http {answer.status_code}"
        tokens = answer.json()["usage"]["completion_tokens"]
        return None if tokens == self._tokens else f"{tokens} tokens"

    async def _leave(self) -> str | None:
        """Close the connection after the first piece."""
        body = self._body(prompt=PROMPT, stream=True)
        async with self._client.stream("POST", "/generate", json=body) as answer:
            async for _ in answer.aiter_bytes():
                break
        return None if answer.status_code == httpx.codes.OK else f"http {answer.status_code}"

    async def _faulty(self) -> str | None:
        answer = await self._client.post("/generate", json=self._body(prompt=PROMPT, temperature=-1))
        return None if answer.status_code == httpx.codes.BAD_REQUEST else f"http {answer.status_code}"
