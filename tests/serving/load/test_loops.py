"""The open and the closed loop on a clock that jumps: no test waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest

from serving.load import loops
from serving.load.loops import Sent
from tests.serving.load.virtual_clock import run


def nothing() -> None:
    """Hears and does nothing."""


async def opened(send: loops.Send[str], due: Iterable[float], hear: loops.Hear = nothing) -> list[Sent[str]]:
    sent: list[Sent[str]] = []
    await loops.open_loop(send, due, sent, hear)
    return sent


async def closed(send: loops.Send[str], pause: float, seconds: float, *, clients: int = 1) -> list[Sent[str]]:
    sent: list[Sent[str]] = []
    await loops.closed_loop(send, pause, seconds, sent, nothing, clients=clients)
    return sent


async def slow(seconds: float = 0.32) -> str:
    await asyncio.sleep(seconds)
    return "answered"


def test_the_open_loop_does_not_wait_for_answers() -> None:
    sent = run(opened(slow, [0.01 * index for index in range(200)]))
    assert len(sent) == 200 and all(one.end - one.due == pytest.approx(0.32, abs=1e-3) for one in sent)
    assert max(one.end for one in sent) == pytest.approx(1.99 + 0.32, abs=1e-2)


def test_the_closed_loop_sends_three_a_second() -> None:
    sent = run(closed(slow, 0.01, 60.0))
    assert len(sent) / max(one.end for one in sent) == pytest.approx(1 / 0.33, rel=1e-3)


def test_latency_counts_from_the_time_at_which_it_was_due() -> None:
    async def main() -> list[Sent[str]]:
        one_at_a_time = asyncio.Lock()

        async def send() -> str:
            async with one_at_a_time:
                return await slow(1.0)

        return await opened(send, [0.0, 0.1, 0.2])

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

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        run(opened(send, [0.0, 0.1], stop))
    assert ended == ["cancelled", "cancelled"]


def test_a_failing_request_fails_the_test_of_the_load() -> None:
    async def broken() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(opened(broken, [0.0, 0.1]))


def test_requests_are_made_when_they_are_due_and_not_before() -> None:
    asked = []

    def due() -> Iterator[float]:
        for at in (0.0, 1.0, 2.0):
            asked.append(asyncio.get_running_loop().time())
            yield at

    run(opened(slow, due()))
    assert asked == pytest.approx([0.0, 0.0, 1.0], abs=1e-3)


def test_a_closed_loop_knows_when_its_requests_were_due() -> None:
    sent = run(closed(slow, 0.01, 2.0))
    assert [one.due for one in sent] == pytest.approx([0.01 * number for number in range(1, len(sent) + 1)])
    gone = [0.01 + 0.33 * number for number in range(len(sent))]
    assert [one.gone for one in sent] == pytest.approx(gone, abs=1e-3)


def test_several_clients_share_the_rate_and_begin_one_after_another() -> None:
    sent = run(closed(lambda: slow(0.0), 0.4, 4.0, clients=4))
    assert sorted(one.gone for one in sent)[:5] == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8], abs=1e-3)
