"""A backend whose answers stop in the middle, for tests of what happens then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from serving.backends.backend import Load, Piece, Usage, Work


class Halting:
    """Says numbers until it is to halt, then nothing for ever, or goes on when it is let."""

    alive = True

    def __init__(self, halt_at: int = 10**9, first: int = 0) -> None:
        self.halt_at, self.first = halt_at, first
        self.halted, self.go_on = asyncio.Event(), asyncio.Event()
        self.asked = 0

    async def generate(self, work: Work) -> AsyncGenerator[Piece]:
        self.asked += 1
        most = work.max_new_tokens or 1
        for at in range(most):
            if at == self.halt_at:
                self.halted.set()
                await self.go_on.wait()
            await asyncio.sleep(0)
            last = at == most - 1
            yield Piece(
                f"{self.first + at} ", (at,), "length" if last else None, Usage(1, most) if last else None
            )

    async def models(self) -> list[str]:
        return ["tiny"]

    def load(self) -> Load | None:
        return None

    async def close(self) -> None:
        pass
