"""The open and the closed client on a clock that jumps: no test waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from labs.q14_serving.clients import Sent, closed_loop, open_loop

T = TypeVar("T")


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next thing that it waits for."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(JumpingSelector(self))

    def time(self) -> float:
        return self.now


class JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self.loop.now += timeout or 0.0
        return super().select(0)


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)


def nothing(_sent: list[Sent]) -> None:
    """Hears and does nothing."""


async def slow(seconds: float = 0.32) -> str:
    await asyncio.sleep(seconds)
    return "answered"


def test_the_open_loop_does_not_wait_for_answers() -> None:
    sent = run(open_loop(slow, [0.01 * index for index in range(200)], nothing))
    assert len(sent) == 200 and all(one.end - one.due == pytest.approx(0.32, abs=1e-3) for one in sent)
    assert max(one.end for one in sent) == pytest.approx(1.99 + 0.32, abs=1e-2)


def test_the_closed_loop_sends_three_a_second() -> None:
    sent = run(closed_loop(slow, 0.01, 60.0, nothing))
    assert len(sent) / max(one.end for one in sent) == pytest.approx(1 / 0.33, rel=1e-3)


def test_latency_counts_from_the_time_at_which_it_was_due() -> None:
    async def main() -> list[Sent]:
        one_at_a_time = asyncio.Lock()

        async def send() -> str:
            async with one_at_a_time:
                return await slow(1.0)

        return await open_loop(send, [0.0, 0.1, 0.2], nothing)

    assert [one.end - one.due for one in run(main())] == pytest.approx([1.0, 1.9, 2.8], abs=1e-3)


def test_whoever_hears_can_stop_it_and_nothing_goes_on() -> None:
    ended = []

    class Stop(BaseException):
        pass

    async def send() -> str:
        try:
            return await slow(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def stop(_sent: list[Sent]) -> None:
        raise Stop

    with pytest.raises(Stop):
        run(open_loop(send, [0.0, 0.1], stop))
    assert ended == ["cancelled", "cancelled"]


def test_a_failing_request_fails_the_test_of_the_load() -> None:
    async def broken() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(open_loop(broken, [0.0, 0.1], nothing))
