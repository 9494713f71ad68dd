"""Tokens that are sent together: the same answer in fewer pieces, the first and the last without a wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from minimind_core.decoding.engine import TokenEvent
from minimind_core.decoding.sampling_params import SamplingParams
from serving.backends.gathered import GatheredStream
from tests.serving.served import PATIENCE, PROMPT, Served, alone, events, served

PER_TOKEN = "minimind_time_per_output_token_seconds_sum"
NEVER = 3600.0
"""Seconds of gathering that no test waits for."""


class Front:
    """An engine's thread that the test plays itself."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []
        self.submitted: Future[int] = Future()

    def start(self, deliver: Callable[[TokenEvent], None], *_args: Any, **_options: Any) -> Future[int]:
        self.deliver = deliver
        return self.submitted

    def cancel(self, request: int) -> None:
        self.cancelled.append(request)

    def say(self, *tokens: int | None, finish: Any = None) -> None:
        for place, token in enumerate(tokens, 1):
            self.deliver(TokenEvent(7, token, finish if place == len(tokens) else None))


def played(script: Callable[[Front, Callable[[], Any], GatheredStream], Any], seconds: float) -> Any:
    """What `script` makes of a stream: it says tokens, and takes batches of them."""

    async def play() -> Any:
        front = Front()
        front.submitted.set_result(7)
        stream = GatheredStream(front, seconds)  # type: ignore[arg-type]
        await stream.submit([1], SamplingParams())
        batches = aiter(stream)

        async def take() -> list[int | None]:
            return [event.token for event in await anext(batches)]

        async with asyncio.timeout(PATIENCE):
            return await script(front, take, stream)

    return asyncio.run(play())


def test_the_first_token_comes_at_once_and_the_last_brings_all_that_were_held() -> None:
    async def script(front: Front, take: Any, _stream: GatheredStream) -> list[Any]:
        front.say(1)
        first = await take()
        front.say(2, 3, 4, finish="length")
        return [first, await take()]

    assert played(script, NEVER) == [[1], [2, 3, 4]]


def test_what_is_held_is_given_when_its_time_is_over_though_nothing_more_comes() -> None:
    async def script(front: Front, take: Any, _stream: GatheredStream) -> list[Any]:
        front.say(1)
        first = await take()
        front.say(2, 3)
        return [first, await take()]

    assert played(script, 0.01) == [[1], [2, 3]]


def test_a_token_that_comes_late_is_not_held() -> None:
    async def script(front: Front, take: Any, stream: GatheredStream) -> Any:
        front.say(1)
        await take()
        next_one = asyncio.ensure_future(take())
        await asyncio.sleep(0)
        stream._look()  # its time is over, and nothing has come
        front.say(2)
        return await next_one

    assert played(script, NEVER) == [2]


def test_an_end_without_a_token_comes_alone() -> None:
    async def script(front: Front, take: Any, _stream: GatheredStream) -> list[Any]:
        front.say(1, 2, None, finish="deadline")
        return [await take(), await take()]

    assert played(script, NEVER) == [[1, 2], [None]]


def test_who_leaves_while_the_request_is_submitted_has_it_cancelled() -> None:
    async def leave() -> list[int]:
        front = Front()
        submitting = asyncio.ensure_future(GatheredStream(front, 0).submit([1], SamplingParams()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
        front.submitted.set_result(7)
        return front.cancelled

    assert asyncio.run(leave()) == [7]


@pytest.mark.parametrize("stops", [False, True])
def test_an_answer_is_the_same_in_fewer_pieces(stops: bool) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 30, "seed": 3, "ignore_eos": True, "stream": True}

    async def ask(there: Served) -> tuple[str, str, dict[str, int], int]:
        sent = events((await there.client.post("/generate", json=asked)).text)
        chunks = [json.loads(data) for data in sent[:-1]]
        text = "".join(chunk["text"] for chunk in chunks)
        return text, chunks[-1]["finish_reason"], chunks[-1]["usage"], len(chunks)

    async def both() -> list[tuple[str, str, dict[str, int], int]]:
        answers = []
        for seconds in (0.0, NEVER):
            async with served(gather_seconds=seconds) as there:
                if stops and not answers:
                    asked["stop"] = (await ask(there))[0][5:7]
                answers.append(await ask(there))
        return answers

    one_by_one, gathered = asyncio.run(both())
    assert gathered[:3] == one_by_one[:3] and one_by_one[1] == ("stop" if stops else "length")
    assert gathered[3] <= 2 < one_by_one[3], "the first, and the rest"


def test_token_ids_and_the_time_a_token_are_of_all_tokens() -> None:
    asked = {"prompt": PROMPT, "max_tokens": 20, "seed": 3, "ignore_eos": True}

    async def ask() -> list[int]:
        async with served(gather_seconds=NEVER) as there:
            answer = (await there.client.post("/generate", json=asked)).json()
            seconds = answer["seconds"] - answer["first_token_seconds"]
            metrics = (await there.client.get("/metrics")).text
            [told] = [line for line in metrics.splitlines() if line.startswith(PER_TOKEN)]
            assert float(told.split()[1]) == pytest.approx(seconds / 19, rel=0.01, abs=1e-6)
            return answer["token_ids"]

    assert asyncio.run(ask()) == alone(3, 20)
