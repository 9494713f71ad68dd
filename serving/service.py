"""What happens to a request between HTTP and a backend: let in or refused, in time or not, counted.

In this order: the gate bounds how many are in here, the breaker keeps them off a backend that fails, the
deadline ends what takes too long. While the breaker is open a smaller model answers, if there is one, and the
answer says so. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from serving.backends.backend import Backend, Piece, Usage, Work
from serving.breaker import Breaker
from serving.errors import BreakerOpen, DeadlinePassed, ServiceError
from serving.gate import Gate
from serving.metrics import Metrics
from serving.settings import Settings

TOO_LATE = "The answer was not complete by its deadline; ask for fewer tokens or more time."


@dataclass
class Facts:
    """What is known of one request; filled in while it is answered, then counted and logged."""

    endpoint: str
    stream: bool = False
    priority: int = 0
    hurried: bool = False
    """Its client allowed less time than the service does."""
    model: str = ""
    """Which one answers, known with the first piece."""
    began: float = field(default_factory=time.monotonic)
    outcome: str = "cancelled"
    """`answered`, the code of an error, or `cancelled` where the client left."""
    degraded: bool = False
    first_token: float | None = None
    """On time.monotonic(), like `last_token`."""
    last_token: float | None = None
    tokens: int = 0
    """Those that a backend does not count are one a piece."""
    usage: Usage | None = None

    def for_log(self) -> dict[str, Any]:
        """Plain values for a log line."""
        facts = {
            "outcome": self.outcome,
            "stream": self.stream,
            "priority": self.priority,
            "degraded": self.degraded,
        }
        if self.first_token is not None:
            facts["first_token_seconds"] = round(self.first_token - self.began, 6)
        if self.usage is not None:
            facts |= {"prompt_tokens": self.usage.prompt_tokens, "output_tokens": self.usage.new_tokens}
        return facts


class Service:
    """Answers requests by `backend`, and by `fallback` while that one is left alone."""

    def __init__(self, settings: Settings, backend: Backend, fallback: Backend | None = None) -> None:
        self.settings, self.backend, self.fallback = settings, backend, fallback
        self.gate = Gate(settings.num_slots, settings.queue)
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)
        self.metrics = Metrics(self.gate, self.breaker, backend)

    @property
    def obstacle(self) -> str | None:
        """Why no request should be sent here now, or None where it is ready."""
        if self.gate.draining:
            return "draining"
        if not self.backend.alive:
            return "backend_failed"
        return "breaker_open" if self.breaker.state == "open" else None

    async def answer(self, work: Work, facts: Facts) -> AsyncGenerator[Piece]:
        """The answer, piece by piece; closing it cancels the request. Raises ServiceError."""
        try:
            self.gate.enter()
            try:
                async with aclosing(self._pieces(work, facts)) as pieces:
                    async for piece in pieces:
                        _note(facts, piece)
                        yield piece
                facts.outcome = "answered"
            finally:
                self.gate.leave(time.monotonic() - facts.began)
        except ServiceError as error:
            facts.outcome = error.code
            raise
        finally:
            self._count(facts)

    async def close(self) -> None:
        """Let go of the backends."""
        await self.backend.close()
        if self.fallback is not None:
            await self.fallback.close()

    async def _pieces(self, work: Work, facts: Facts) -> AsyncGenerator[Piece]:
        """From the backend if the breaker lets it, and told to the breaker; else from the fallback."""
        let_through = self.breaker.let_through()
        if let_through is None:
            async with aclosing(self._degraded(work, facts)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        verdict = let_through.abandoned
        try:
            async with aclosing(_in_time(self.backend, work, facts)) as pieces:
                async for piece in pieces:
                    yield piece
            verdict = let_through.succeeded
        except ServiceError as error:
            hangs = isinstance(error, DeadlinePassed) and facts.first_token is None and not facts.hurried
            if error.blames_backend or hangs:
                verdict = let_through.failed
            raise
        finally:
            verdict()

    async def _degraded(self, work: Work, facts: Facts) -> AsyncGenerator[Piece]:
        if self.fallback is None:
            raise BreakerOpen(
                "The model failed several times in a row and is left alone for a moment; try again later.",
                retry_after=self.breaker.retry_after,
            )
        facts.degraded = True
        async with aclosing(_in_time(self.fallback, replace(work, model=None), facts)) as pieces:
            async for piece in pieces:
                yield piece

    def _count(self, facts: Facts) -> None:
        metrics = self.metrics
        metrics.answered.labels(facts.endpoint, facts.outcome).inc()
        if facts.usage is None or facts.first_token is None or facts.last_token is None:
            return
        metrics.degraded.inc(facts.degraded)
        metrics.seconds.labels(facts.endpoint).observe(facts.last_token - facts.began)
        metrics.first.observe(facts.first_token - facts.began)
        if facts.tokens > 1:
            metrics.per_token.observe((facts.last_token - facts.first_token) / (facts.tokens - 1))
        metrics.prompt_tokens.inc(facts.usage.prompt_tokens)
        metrics.new_tokens.inc(facts.usage.new_tokens)


def _note(facts: Facts, piece: Piece) -> None:
    facts.last_token = time.monotonic()
    facts.first_token = facts.first_token or facts.last_token
    facts.tokens += max(1, len(piece.token_ids))
    facts.usage = piece.usage


async def _generated(backend: Backend, work: Work, facts: Facts) -> AsyncGenerator[Piece]:
    """The pieces of a backend, asked for the model that `facts` then name."""
    facts.model = work.model or (await backend.models())[0]
    async with aclosing(backend.generate(replace(work, model=facts.model))) as pieces:
        async for piece in pieces:
            yield piece


async def _in_time(backend: Backend, work: Work, facts: Facts) -> AsyncGenerator[Piece]:
    """The pieces until the deadline, also where the backend hangs. Raises DeadlinePassed."""
    async with aclosing(_generated(backend, work, facts)) as pieces:
        while True:
            try:
                async with asyncio.timeout(work.deadline - time.monotonic()):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise DeadlinePassed(TOO_LATE) from error
            yield piece
