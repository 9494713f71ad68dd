"""A worker: takes requests from the stream as its slots allow, and says what its backend makes of them.

Three loops: one takes, one sends what is new of all answers together, one renews the leases. Where Redis does
not answer each of them goes on trying, and what was made meanwhile is sent then. No torch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from serving.backends.backend import Backend, Piece
from serving.errors import BackendFailed, ServiceError
from serving.logs import LOG, tell
from serving.scaleout.stream import Depth, Entry, RequestStream, Unreachable, seconds_of
from serving.scaleout.takeover import MOST_DELIVERIES, too_often
from serving.scaleout.wire import Order, Said, read_order

LEASE_SECONDS = 3.0
"""A worker that is silent for longer loses what it holds; it renews four times as often."""
PAUSE_SECONDS = 0.1


@dataclass
class Running:
    """A request that this worker holds."""

    entry: Entry
    order: Order
    unsent: list[Piece] = field(default_factory=list)
    sent: int = 0
    error: ServiceError | None = None
    task: asyncio.Task[None] | None = None

    def news(self) -> Said:
        """What is not sent yet."""
        return Said(self.order.request, self.sent, tuple(self.unsent), self.error)


@dataclass
class Counts:
    """What became of requests since the worker began."""

    taken: int = 0
    redelivered: int = 0
    """Taken over from a worker that was silent."""
    answered: int = 0
    lost: int = 0
    """Cancelled, or taken over by another worker."""


class Worker:
    """Answers up to `slots` requests of `stream` at once by `backend`, under a name that no other has."""

    def __init__(
        self,
        stream: RequestStream,
        backend: Backend,
        slots: int,
        name: str,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._stream, self._backend, self._slots, self.name = stream, backend, slots, name
        self._lease_seconds = lease_seconds
        self.counts = Counts()
        self.depth = Depth(0, 0)
        """Of the queue, when this worker last looked."""
        self.running: dict[str, Running] = {}
        self._draining = False
        self._news, self._changed = asyncio.Event(), asyncio.Event()
        self._clock_ahead = 0.0
        """Of Redis before time.monotonic()."""

    async def run(self) -> None:
        """Work until `drain` is called and what was taken is answered."""
        loops = [asyncio.create_task(loop()) for loop in (self._work, self._send, self._renew)]
        try:
            # A fault of ours in one of them ends the worker: then its leases end too.
            ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
            for loop in ended:
                loop.result()
        finally:
            tasks = [*loops, *(each.task for each in self.running.values() if each.task)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def drain(self) -> None:
        """Take no more; `run` returns when what was taken is answered."""
        self._draining = True
        self._changed.set()

    async def _work(self) -> None:
        await self._take()
        while self.running:
            self._changed.clear()
            await self._changed.wait()
        await self._stream.leave(self.name)

    async def _take(self) -> None:
        """Take what waits, and now and then what others left; as many as there are free slots."""
        look = 0.0
        while not self._draining:
            self._changed.clear()
            if len(self.running) >= self._slots:
                await self._changed.wait()
                continue
            try:
                if time.monotonic() >= look:
                    look = time.monotonic() + self._lease_seconds / 4
                    await self._look_around()
                elif (entry := await self._stream.take(self.name)) is not None:
                    self._begin(entry)
            except Unreachable as error:
                tell("queue unreachable", why=str(error))
                await asyncio.sleep(PAUSE_SECONDS)
                look = 0.0

    async def _look_around(self) -> None:
        """Read the clock, say what is served here, and take over what nobody renews."""
        await self._stream.open()
        self._clock_ahead = await self._stream.now() - time.monotonic()
        await self._stream.serves((await self._backend.models())[0])
        free = self._slots - len(self.running)
        for entry in await self._stream.claim(self.name, self._lease_seconds, free):
            if entry.id not in self.running:  # or else this one was too slow itself, and goes on
                self.counts.redelivered += 1
                self._begin(entry)

    def _begin(self, entry: Entry) -> None:
        self.counts.taken += 1
        age = time.monotonic() + self._clock_ahead - seconds_of(entry.id)
        running = self.running[entry.id] = Running(entry, read_order(entry.body, age))
        running.task = asyncio.create_task(self._answer(running))

    async def _answer(self, running: Running) -> None:
        """Collect the pieces, or the error that ends them."""
        try:
            if running.entry.delivery > MOST_DELIVERIES:
                raise too_often()
            async with aclosing(self._backend.generate(running.order.work)) as pieces:
                async for piece in pieces:
                    running.unsent.append(piece)
                    self._news.set()
        except ServiceError as error:
            running.error = error
        except Exception:
            LOG.exception("a fault of ours")
            running.error = BackendFailed("The worker failed at this request; try again.", retry_after=1)
        self._news.set()

    async def _send(self) -> None:
        """Send what is new, all answers together: the more there is, the fewer messages it takes."""
        while True:
            await self._news.wait()
            self._news.clear()
            said = [(each, each.news()) for each in self.running.values() if each.unsent or each.error]
            if not said:
                continue
            try:
                held = await self._stream.say(
                    self.name, [(each.entry.id, each.order.node, what) for each, what in said]
                )
            except Unreachable:
                await asyncio.sleep(PAUSE_SECONDS)
                self._news.set()
                continue
            for (each, what), ours in zip(said, held, strict=True):
                self._note(each, what, ours)

    def _note(self, running: Running, said: Said, ours: bool) -> None:
        """Count what was sent; a request that is not ours any more, or answered, is let go."""
        if not ours:
            self._drop([running.entry.id])
            return
        del running.unsent[: len(said.pieces)]
        running.sent += len(said.pieces)
        if said.last:
            self.counts.answered += 1
            self._let_go(running.entry.id)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 4)
            try:
                self.depth = await self._stream.depth()
                if self.running:
                    self._drop(await self._stream.renew(self.name, list(self.running)))
            except Unreachable:
                continue

    def _drop(self, entries: Iterable[str]) -> None:
        """Stop working on what was cancelled or taken over."""
        for entry in entries:
            if (running := self._let_go(entry)) is not None:
                self.counts.lost += 1
                if running.task is not None:
                    running.task.cancel()

    def _let_go(self, entry: str) -> Running | None:
        self._changed.set()
        return self.running.pop(entry, None)
