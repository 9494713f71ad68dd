"""Both ends of the call between a front and an engine. No torch, no Ray.

A front that loses the engine of an answer asks another one, with the same seed: what the client has already
is left out, and compared. So an accepted request is answered once, or ends with a sentence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Protocol

from serving.backends.backend import Backend, Load, Piece, Work
from serving.errors import BackendFailed, ServiceError
from serving.logs import LOG, tell
from serving.scaleout.takeover import MOST_DELIVERIES, Given, repeatable, too_often
from serving.scaleout.wire import Order, Said, read_order, read_said


class Stream(Protocol):
    """What one engine says of one request, as JSON."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    def cancel(self) -> None:
        """End the request there."""
        ...


class Engines(Protocol):
    """The engines, of which each call reaches one that is free; it waits while none is."""

    def answer(self, order: str) -> Stream: ...

    def models(self) -> Awaitable[list[str]]: ...


class RayBackend:
    """Answers by `engines`; `lost` are the errors of a call whose engine went away."""

    def __init__(self, engines: Engines, lost: tuple[type[Exception], ...]) -> None:
        self._engines, self._lost = engines, lost
        self._models: list[str] = []

    async def generate(self, work: Work) -> AsyncGenerator[Piece]:
        """See Backend."""
        work, given = repeatable(work), Given()
        for _ in range(MOST_DELIVERIES):
            answered = False
            async with aclosing(self._once(work)) as news:
                async for said in news:
                    for piece in given.new(said):
                        yield piece
                    if said.error is not None:
                        raise said.error
                    answered = said.last
            if answered:
                return
        raise too_often()

    async def models(self) -> list[str]:
        """See Backend. Asked once: all engines serve the same."""
        if not self._models:
            try:
                self._models = await self._engines.models()
            except self._lost as error:
                raise BackendFailed("No engine is here; try again in a moment.", retry_after=5) from error
        return self._models

    @property
    def alive(self) -> bool:
        """See Backend. Ray starts an engine again that died."""
        return True

    def load(self) -> Load | None:
        """See Backend. `ray status` and the log of each engine tell it."""
        return None

    async def close(self) -> None:
        """See Backend."""

    async def _once(self, work: Work) -> AsyncGenerator[Said]:
        """What one engine says, as far as it comes. Closing it ends the request there."""
        # The seconds that are left: while it waits for a free engine they go on, and the service counts them.
        stream = self._engines.answer(Order("", work.request_id, work).written())
        over = False
        try:
            async for said in stream:
                yield read_said(said)
            over = True
        except self._lost as error:
            over = True
            tell("engine lost", request_id=work.request_id, why=type(error).__name__)
        finally:
            if not over:
                stream.cancel()


async def answer(backend: Backend, order: str) -> AsyncGenerator[str]:
    """What an engine says of a request; the last of it has the end of the answer, or why there is none."""
    asked = read_order(order, age=0.0)
    at = 0
    try:
        async with aclosing(backend.generate(asked.work)) as pieces:
            async for piece in pieces:
                yield Said(asked.request, at, (piece,)).written()
                at += 1
    except ServiceError as error:
        yield Said(asked.request, at, (), error).written()
    except Exception:
        LOG.exception("a fault of ours")
        failed = BackendFailed("The engine failed at this request; try again.", retry_after=1)
        yield Said(asked.request, at, (), failed).written()
