"""Crowds of visitors in processes of their own: a single one cannot fill a service on a GPU. No torch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from serving.load.arrivals import poisson
from serving.load.loops import Sent, closed_loop, open_loop
from serving.soak.visitors import Visit, Visitors


@dataclass(frozen=True)
class Tally:
    """Visits by their kinds, what was wrong by kind and fault, and seconds that each answered one took."""

    kinds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lasted: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.kinds + other.kinds,
            self.faults + other.faults,
            self.seconds + other.seconds,
            max(self.lasted, other.lasted),
        )

    @property
    def rate(self) -> float:
        """Visits a second, to the end of the last."""
        return self.kinds.total() / self.lasted if self.lasted else 0.0


@dataclass(frozen=True)
class Crowds:
    """So many processes that load the service at `address` together."""

    address: str
    tokens: int
    processes: int

    async def saturate(self, clients: int, seconds: float) -> Tally:
        """Visits one after the other by `clients` in all: what the service and this machine can do."""
        each = max(1, round(clients / self.processes))
        return await self._all(_saturate, [(each, seconds)] * self.processes)

    async def visit(self, rate: float, seconds: float) -> Tally:
        """Poisson arrivals of `rate` a second in all, whatever becomes of them."""
        return await self._all(_visit, [(rate / self.processes, seconds)] * self.processes)

    async def _all(self, work: Any, each: list[tuple[float, float]]) -> Tally:
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(self.processes, get_context("spawn")) as pool:
            jobs = [
                loop.run_in_executor(pool, work, self.address, self.tokens, seed, *numbers)
                for seed, numbers in enumerate(each)
            ]
            return sum(await asyncio.gather(*jobs), Tally())


def _saturate(address: str, tokens: int, seed: int, clients: int, seconds: float) -> Tally:
    visitors, sent = Visitors(address, tokens, seed), list[Sent[Visit]]()
    loop = closed_loop(visitors.send, 0.0, seconds, sent, _nothing, clients=clients)
    return asyncio.run(_tally(loop, visitors, sent))


def _visit(address: str, tokens: int, seed: int, rate: float, seconds: float) -> Tally:
    visitors, sent = Visitors(address, tokens, seed), list[Sent[Visit]]()
    loop = open_loop(visitors.send, poisson(rate, seconds, seed), sent, _nothing)
    return asyncio.run(_tally(loop, visitors, sent))


async def _tally(loop: Coroutine[Any, Any, None], visitors: Visitors, sent: list[Sent[Visit]]) -> Tally:
    try:
        await loop
    finally:
        await visitors.close()
    return Tally(
        Counter(one.reply.kind for one in sent),
        Counter(f"{one.reply.kind}: {one.reply.fault}" for one in sent if one.reply.fault),
        [one.end - one.due for one in sent if not one.reply.fault],
        max((one.end for one in sent), default=0.0),
    )


def _nothing() -> None:
    """Nobody listens."""
