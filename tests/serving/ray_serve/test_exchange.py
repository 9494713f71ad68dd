"""A front and engines in this process, without Ray: the same answers, also where an engine dies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from minimind_core.decoding.sampling_params import SamplingParams
from serving.__main__ import _parser
from serving.backends.backend import Backend, Piece, Work
from serving.backends.embedded import EmbeddedBackend
from serving.ray_serve.exchange import RayBackend, answer
from serving.ray_serve.plan import plan_of
from serving.scaleout.takeover import MOST_DELIVERIES
from serving.scaleout.wire import Order, read_said
from serving.settings import Settings
from tests.serving.halting import Halting
from tests.serving.served import SMALL, Served, events, served, tiny, until
from tests.serving.test_generation import ENDPOINTS, body, text_of

ASK = {"prompt": "Ab", "max_tokens": 6, "ignore_eos": True, "seed": 1}


class Died(Exception):
    """Stands for what Ray raises where the machine of a call is gone."""


class Call:
    """What one engine says; ends with Died where the engine does."""

    def __init__(self, backend: Backend, order: str, dead: asyncio.Event) -> None:
        self._said, self._dead = answer(backend, order), dead
        self.cancelled = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[str]:
        dying = asyncio.create_task(self._dead.wait())
        try:
            while True:
                said = asyncio.ensure_future(anext(self._said))
                await asyncio.wait([said, dying], return_when=asyncio.FIRST_COMPLETED)
                if not said.done():
                    said.cancel()
                    raise Died
                yield said.result()
        except StopAsyncIteration:
            return
        finally:
            dying.cancel()

    def cancel(self) -> None:
        self.cancelled.set()


class Crew:
    """One engine after the other, the first until it dies."""

    def __init__(self, *backends: Backend) -> None:
        self._backends = list(backends)
        self._dead = asyncio.Event()
        self.calls: list[Call] = []

    def answer(self, order: str) -> Call:
        self.calls.append(Call(self._backends[0], order, self._dead))
        return self.calls[-1]

    async def models(self) -> list[str]:
        if not self._backends:
            raise Died
        return await self._backends[0].models()

    def kill(self) -> None:
        self._backends.pop(0)
        self._dead.set()
        self._dead = asyncio.Event()


@asynccontextmanager
async def front_of(crew: Crew) -> AsyncGenerator[Served]:
    async with served(RayBackend(crew, (Died,))) as front:
        yield front


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_front_says_what_the_engine_says(endpoint: str, stream: bool) -> None:
    asked = body(endpoint, temperature=0.8, top_k=40, stop=["never"], priority=3, stream=stream)

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        backend = EmbeddedBackend(tiny(), Settings(**SMALL))
        async with front_of(Crew(backend)) as front, served(backend) as engine:
            return await engine.client.post(endpoint, json=asked), await front.client.post(
                endpoint, json=asked
            )

    direct, through = asyncio.run(ask())
    said = [
        "".join(text_of(json.loads(each)) for each in events(each.text)[:-1])
        if stream
        else text_of(each.json())
        for each in (direct, through)
    ]
    assert said[0] == said[1] != "" and through.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_engine_dies_within_an_answer_and_the_next_one_goes_on(stream: bool) -> None:
    async def ask() -> tuple[httpx.Response, Crew]:
        dying = Halting(halt_at=3)
        crew = Crew(dying, Halting())
        async with front_of(crew) as front:
            sent = asyncio.create_task(front.client.post("/generate", json={**ASK, "stream": stream}))
            await dying.halted.wait()
            crew.kill()
            return await sent, crew

    response, crew = asyncio.run(ask())
    text = (
        "".join(json.loads(each).get("text", "") for each in events(response.text)[:-1])
        if stream
        else response.json()["text"]
    )
    assert text == "0 1 2 3 4 5 " and len(crew.calls) == 2


def test_a_successor_that_says_something_else_is_not_mixed_in() -> None:
    async def ask() -> str:
        dying = Halting(halt_at=3)
        crew = Crew(dying, Halting(first=100))
        async with front_of(crew) as front:
            sent = asyncio.create_task(front.client.post("/generate", json={**ASK, "stream": True}))
            await dying.halted.wait()
            crew.kill()
            return (await sent).text

    *said, last = events(asyncio.run(ask()))
    assert [json.loads(each)["text"] for each in said] == ["0 ", "1 ", "2 "]
    assert "says something else; ask again" in json.loads(last)["error"]["message"]


def test_a_request_that_brings_engines_down_ends_in_a_sentence() -> None:
    async def ask() -> tuple[httpx.Response, int]:
        dying = [Halting(halt_at=0) for _ in range(MOST_DELIVERIES)]
        crew = Crew(*dying, Halting())
        async with front_of(crew) as front:
            sent = asyncio.create_task(front.client.post("/generate", json=ASK))
            for each in dying:
                await each.halted.wait()
                crew.kill()
            return await sent, len(crew.calls)

    response, calls = asyncio.run(ask())
    assert response.status_code == 503 and calls == MOST_DELIVERIES
    assert "3 workers broke off" in response.json()["error"]["message"]


def test_who_leaves_ends_the_request_at_the_engine() -> None:
    async def ask() -> None:
        halting = Halting(halt_at=1)
        crew = Crew(halting)
        async with front_of(crew) as front:
            sent = asyncio.create_task(front.client.post("/generate", json=ASK))
            await halting.halted.wait()
            sent.cancel()
            await until(lambda: crew.calls[0].cancelled.is_set() and front.service.gate.in_flight == 0)

    asyncio.run(ask())


def test_errors_of_an_engine_pass_through_and_its_faults_are_a_sentence() -> None:
    class Faulty(Halting):
        async def generate(self, work: Any) -> AsyncGenerator[Any]:
            raise ZeroDivisionError
            yield

    async def ask() -> list[httpx.Response]:
        engine = EmbeddedBackend(tiny(), Settings(**{**SMALL, "max_length": 40}))
        async with front_of(Crew(engine)) as front, front_of(Crew(Faulty())) as faulty:
            return [
                await front.client.post("/generate", json={**ASK, "prompt": "a" * 60}),
                await front.client.post("/generate", json={**ASK, "model": "other"}),
                await faulty.client.post("/generate", json=ASK),
            ]

    long, other, fault = asyncio.run(ask())
    assert long.status_code == 400 and "this cache holds 40" in long.json()["error"]["message"]
    assert other.status_code == 404 and "ask for 'tiny'" in other.json()["error"]["message"]
    assert fault.status_code == 503 and fault.json()["error"]["code"] == "backend_failed"
    assert "failed at this request; try again" in fault.json()["error"]["message"]


def test_without_an_engine_an_answer_is_one_sentence() -> None:
    async def ask() -> httpx.Response:
        async with front_of(Crew()) as front:
            return await front.client.post("/generate", json=ASK)

    response = asyncio.run(ask())
    assert response.status_code == 503 and "No engine is here" in response.json()["error"]["message"]


def test_an_engine_cuts_its_answers_so_that_the_next_one_cuts_them_alike() -> None:
    """A token a piece, however quickly they come: by the clock each engine would gather others."""
    settings = plan_of(_parser().parse_args(["ray", "--max-length", "96", "--slots", "3"])).engine_settings
    work = Work("Ab", SamplingParams(seed=1), time.monotonic() + 60, 40, ignore_eos=True)

    async def pieces() -> list[Piece]:
        backend = EmbeddedBackend(tiny(), settings)
        order = Order("", "mine", work).written()
        said = [read_said(each) async for each in answer(backend, order)]
        await backend.close()
        return [piece for each in said for piece in each.pieces]

    made = asyncio.run(pieces())
    assert [len(piece.token_ids) for piece in made] == [1] * 40
