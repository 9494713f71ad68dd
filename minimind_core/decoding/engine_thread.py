"""An engine in a thread of its own, and ways for other threads and for asyncio to use it.

    with EngineThread(engine) as front:
        for event in front.submit(prompt_ids, SamplingParams(seed=1), max_new_tokens=50): ...

The thread sleeps while there is nothing to do. What others ask is done between two steps, so they wait for
one step at most; `QueueFull` and `ConfigError` reach whoever submitted. Knows no text and no network.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from minimind_core.decoding.engine import Engine, EngineStats, TokenEvent
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.errors import MiniMindError

Result = TypeVar("Result")
Deliver = Callable[[TokenEvent], None]
"""Is given each event of one request, in the engine's thread: must return at once and not raise."""


class EngineStopped(MiniMindError):
    """The engine takes no more requests: it was closed, or a step failed."""


class Stream:
    """The events of one request, each as it comes; ends with the one that says why."""

    def __init__(self, front: EngineThread) -> None:
        self._front = front
        self._events: queue.SimpleQueue[TokenEvent] = queue.SimpleQueue()
        self.request_id = -1

    def __iter__(self) -> Iterator[TokenEvent]:
        while True:
            event = self._events.get()
            yield event
            if event.finish is not None:
                return

    def cancel(self) -> None:
        """End the request, if it has not ended; its last event says so."""
        self._front.cancel(self.request_id)


class AsyncStream:
    """`Stream` for the event loop that it is made in."""

    def __init__(self, front: EngineThread) -> None:
        self._front, self._loop = front, asyncio.get_running_loop()
        self._events: asyncio.Queue[TokenEvent] = asyncio.Queue()
        self.request_id = -1

    def deliver(self, event: TokenEvent) -> None:
        """Called by the engine's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def __aiter__(self) -> AsyncIterator[TokenEvent]:
        while True:
            event = await self._events.get()
            yield event
            if event.finish is not None:
                return

    def cancel(self) -> None:
        """End the request, if it has not ended; its last event says so."""
        self._front.cancel(self.request_id)


class EngineThread:
    """Owns `engine` from now on, until `close`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wake = threading.Condition()
        self._asked: list[Callable[[], None]] = []
        self._listeners: dict[int, Deliver] = {}
        self._closing = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> EngineThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """It takes requests."""
        return self._thread.is_alive() and not self._closing

    def start(
        self, deliver: Deliver, prompt_ids: Sequence[int], sampling: SamplingParams, **options: Any
    ) -> Future[int]:
        """Submit a request (see `Engine.submit`) whose events go to `deliver`; the future is its id.

        The future raises what `Engine.submit` raises. Raises EngineStopped at once.
        """

        def submit() -> int:
            request_id = self._engine.submit(prompt_ids, sampling, **options)
            self._listeners[request_id] = deliver
            return request_id

        return self._ask(submit)

    def submit(self, prompt_ids: Sequence[int], sampling: SamplingParams, **options: Any) -> Stream:
        """Submit a request; raises what `Engine.submit` raises, and EngineStopped."""
        stream = Stream(self)
        stream.request_id = self.start(stream._events.put, prompt_ids, sampling, **options).result()
        return stream

    async def submit_async(
        self, prompt_ids: Sequence[int], sampling: SamplingParams, **options: Any
    ) -> AsyncStream:
        """`submit` that does not hold up the event loop. A caller that is cancelled cancels its request."""
        stream = AsyncStream(self)
        submitted = self.start(stream.deliver, prompt_ids, sampling, **options)
        try:
            stream.request_id = await asyncio.shield(asyncio.wrap_future(submitted))
        except asyncio.CancelledError:
            submitted.add_done_callback(self._cancel_submitted)
            raise
        return stream

    def cancel(self, request_id: int) -> None:
        """End a request before the next step; nothing happens where it has ended."""
        if self._thread.is_alive():
            self._ask(lambda: self._engine.cancel(request_id), even_closing=True)

    def stats(self, timeout: float | None = None) -> EngineStats:
        """Where the engine stands between two steps. Raises TimeoutError after `timeout` seconds of one."""
        return self._ask(self._engine.stats, even_closing=True).result(timeout)

    def close(self, drain: bool = False) -> None:
        """Take no more requests, cancel the others or with `drain` wait for their end, and end the thread."""
        with self._wake:
            self._closing = True
            if not drain:
                self._asked.append(self._cancel_all)
            self._wake.notify()
        self._thread.join()

    def _ask(self, call: Callable[[], Result], even_closing: bool = False) -> Future[Result]:
        """Have the engine's thread make a call before its next step."""
        future: Future[Result] = Future()

        def answer() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)

        with self._wake:
            if not self._thread.is_alive() or (self._closing and not even_closing):
                raise EngineStopped("The engine takes no more requests; start it again.") from self._failure
            self._asked.append(answer)
            self._wake.notify()
        return future

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                for event in self._engine.step():
                    self._tell(event)
        except BaseException as error:  # of the device: nothing that runs can be trusted any more
            self._failure = error
        with self._wake:
            self._closing = True
            for answer in self._asked:
                answer()
            self._asked = []
        for request_id in list(self._listeners):
            self._tell(TokenEvent(request_id, None, "error"))

    def _wait_for_work(self) -> bool:
        """Do what was asked; False once there is nothing left to do and nobody may come."""
        while True:
            with self._wake:
                while not self._asked and self._engine.idle and not self._closing:
                    self._wake.wait()
                asked, self._asked = self._asked, []
            for answer in asked:
                answer()
            if not self._engine.idle:
                return True
            if self._closing and not asked:
                return False

    def _tell(self, event: TokenEvent) -> None:
        self._listeners[event.request_id](event)
        if event.finish is not None:
            del self._listeners[event.request_id]

    def _cancel_submitted(self, submitted: Future[int]) -> None:
        if submitted.exception() is None:
            self.cancel(submitted.result())

    def _cancel_all(self) -> None:
        for request_id in list(self._listeners):
            self._engine.cancel(request_id)
