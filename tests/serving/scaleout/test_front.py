"""A node and workers in this process around a real Redis: the same answers, also where a worker dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from serving.backends.backend import Backend
from serving.backends.embedded import EmbeddedBackend
from serving.errors import ServiceError
from serving.scaleout.front import RedisBackend
from serving.scaleout.stream import RequestStream
from serving.scaleout.worker import MOST_DELIVERIES, Worker
from serving.settings import Settings
from tests.serving.halting import Halting
from tests.serving.scaleout.redis_server import RedisServer, redis_server
from tests.serving.served import PROMPT, SMALL, Served, alone, events, served, tiny, until
from tests.serving.test_generation import ENDPOINTS, assert_equal_answers, body

ASK = {"prompt": PROMPT, "max_tokens": 4, "ignore_eos": True, "seed": 1}
LEASE = 0.4


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


class Crew:
    """Workers that come and die."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.workers: list[Worker] = []
        self._runs: list[asyncio.Task[None]] = []
        self.streams: list[RequestStream] = []

    def hire(self, backend: Backend, slots: int = 3) -> Worker:
        stream = RequestStream(self._server.address)
        worker = Worker(stream, backend, slots, f"worker-{len(self.workers)}", LEASE)
        self.workers.append(worker)
        self.streams.append(stream)
        self._runs.append(asyncio.create_task(worker.run()))
        return worker

    async def kill(self, worker: Worker) -> None:
        """As SIGKILL does: it says nothing any more, and keeps what it holds until its leases end."""
        run = self._runs[self.workers.index(worker)]
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    async def end(self) -> None:
        for worker in self.workers:
            await self.kill(worker)
        for stream in self.streams:
            await stream.close()


@asynccontextmanager
async def node_and_crew(server: RedisServer, **settings: Any) -> AsyncGenerator[tuple[Served, Crew]]:
    stream = RequestStream(server.address)
    await stream._redis.flushall()
    await stream.close()
    crew = Crew(server)
    try:
        async with served(RedisBackend(server.address), **settings) as there:
            yield there, crew
    finally:
        await crew.end()


async def come(crew: Crew, backend: Backend | None = None, **options: Any) -> Worker:
    """A worker that is known to serve."""
    worker = crew.hire(backend or EmbeddedBackend(tiny(), Settings(**SMALL)), **options)
    stream = crew.streams[-1]

    async def known() -> bool:
        return bool(await stream.models())

    await until(known)
    return worker


async def cut_off(node: Served, crew: Crew, *, stream: bool) -> asyncio.Task[httpx.Response]:
    """A request for six tokens, whose worker was killed when it had sent three of them."""
    dying = Halting(halt_at=3)
    worker = await come(crew, dying)
    asked = {**ASK, "max_tokens": 6, "stream": stream}
    sent = asyncio.create_task(node.client.post("/generate", json=asked))
    await dying.halted.wait()
    await until(lambda: [each.sent for each in worker.running.values()] == [3])
    await crew.kill(worker)
    return sent


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_node_says_what_the_engine_says(server: RedisServer, endpoint: str, stream: bool) -> None:
    asked = {**body(endpoint, temperature=0.8, top_k=40, stop=["never"], priority=3), "stream": stream}

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with node_and_crew(server) as (node, crew), served() as engine:
            await come(crew)
            return await engine.client.post(endpoint, json=asked), await node.client.post(
                endpoint, json=asked
            )

    assert_equal_answers(*asyncio.run(ask()), stream)


def test_errors_and_models_pass_through(server: RedisServer) -> None:
    async def ask() -> list[httpx.Response]:
        async with node_and_crew(server) as (node, crew):
            nobody = await node.client.post("/generate", json=ASK)
            await come(crew, EmbeddedBackend(tiny(), Settings(**{**SMALL, "max_length": 40})))
            return [
                nobody,
                await node.client.post("/generate", json={**ASK, "prompt": "a" * 60}),
                await node.client.post("/generate", json={**ASK, "model": "other"}),
                await node.client.get("/v1/models"),
            ]

    nobody, long, other, models = asyncio.run(ask())
    assert nobody.status_code == 503 and "No worker is here" in nobody.json()["error"]["message"]
    assert long.status_code == 400 and "this cache holds 40" in long.json()["error"]["message"]
    assert other.status_code == 404 and "ask for 'tiny'" in other.json()["error"]["message"]
    assert models.json()["data"][0]["id"] == "tiny"


@pytest.mark.parametrize("stream", [False, True])
def test_a_worker_dies_within_an_answer_and_the_next_one_goes_on(server: RedisServer, stream: bool) -> None:
    async def ask() -> tuple[httpx.Response, Worker]:
        async with node_and_crew(server) as (node, crew):
            sent = await cut_off(node, crew, stream=stream)
            second = await come(crew, Halting())
            return await sent, second

    answer, second = asyncio.run(ask())
    text = (
        "".join(json.loads(each).get("text", "") for each in events(answer.text)[:-1])
        if stream
        else answer.json()["text"]
    )
    assert text == "0 1 2 3 4 5 " and second.counts.redelivered == 1 == second.counts.answered


def test_a_successor_that_says_something_else_is_not_mixed_in(server: RedisServer) -> None:
    async def ask() -> str:
        async with node_and_crew(server) as (node, crew):
            sent = await cut_off(node, crew, stream=True)
            await come(crew, Halting(first=100))
            return (await sent).text

    *said, last = events(asyncio.run(ask()))
    assert [json.loads(each)["text"] for each in said] == ["0 ", "1 ", "2 "]
    assert "says something else; ask again" in json.loads(last)["error"]["message"]


def test_a_worker_that_was_only_slow_says_nothing_more(server: RedisServer) -> None:
    """It wakes after its request was taken over: what it then says is refused, and it lets go."""

    async def ask() -> tuple[dict[str, Any], Worker, Worker]:
        async with node_and_crew(server) as (node, crew):
            sleepy = Halting(halt_at=2)
            first = await come(crew, sleepy)
            first._stream.renew = lambda *_: asyncio.sleep(0, [])  # type: ignore[method-assign, assignment, return-value]
            sent = asyncio.create_task(node.client.post("/generate", json={**ASK, "max_tokens": 5}))
            await sleepy.halted.wait()
            first.drain()
            second = await come(crew, Halting())
            answer = (await sent).json()
            sleepy.go_on.set()
            await until(lambda: not first.running)
            return answer, first, second

    answer, first, second = asyncio.run(ask())
    assert answer["text"] == "0 1 2 3 4 " and answer["token_ids"] == [0, 1, 2, 3, 4]
    assert (first.counts.answered, first.counts.lost) == (0, 1) and second.counts.answered == 1


def test_a_request_that_brings_workers_down_ends(server: RedisServer) -> None:
    async def ask() -> httpx.Response:
        async with node_and_crew(server) as (node, crew):
            await come(crew, Halting(), slots=1)
            await crew.kill(crew.workers[0])
            sent = asyncio.create_task(node.client.post("/generate", json=ASK))
            for _ in range(MOST_DELIVERIES):
                dying = Halting(halt_at=0)
                worker = await come(crew, dying)
                halted = asyncio.create_task(dying.halted.wait())
                # the first worker's last wish may have been granted after its death: one delivery more
                await asyncio.wait([halted, sent], return_when=asyncio.FIRST_COMPLETED)
                halted.cancel()
                await crew.kill(worker)
            await come(crew, Halting())
            return await sent

    answer = asyncio.run(ask())
    assert answer.status_code == 503 and "3 workers broke off" in answer.json()["error"]["message"]


def test_who_leaves_and_whose_time_is_over_leave_nothing_behind(server: RedisServer) -> None:
    async def ask() -> tuple[int, Worker, Any]:
        async with node_and_crew(server) as (node, crew):
            halting = Halting(halt_at=1)
            worker = await come(crew, halting, slots=1)
            stream = crew.streams[0]
            waiting, running = (
                asyncio.create_task(
                    node.client.post("/generate", json=ASK, headers={"X-Deadline-Ms": deadline})
                )
                for deadline in ("60000", "1000")
            )
            await halting.halted.wait()
            late = await running if halting.asked else None
            waiting.cancel()

            async def empty() -> bool:
                return await stream.depth() == (0, 0)

            await until(empty)
            await until(lambda: not worker.running)
            assert late is not None
            return late.status_code, worker, await stream.depth()

    status, worker, depth = asyncio.run(ask())
    assert status == 504 and worker.counts.answered == 0 and depth == (0, 0)


def test_redis_dies_within_an_answer_and_comes_back(server: RedisServer) -> None:
    """What was made meanwhile is sent then; who asks meanwhile waits; the node says that it is not ready."""

    async def ask() -> tuple[list[Any], httpx.Response]:
        async with node_and_crew(server) as (node, crew):
            halting = Halting(halt_at=2)
            await come(crew, halting)
            sent = asyncio.create_task(node.client.post("/generate", json=ASK))
            await halting.halted.wait()
            server.kill()
            halting.go_on.set()

            async def not_ready() -> bool:
                return (await node.client.get("/health/ready")).status_code == 503

            await until(not_ready)
            meanwhile = asyncio.create_task(node.client.post("/generate", json=ASK))
            server.start()
            texts = [(await each).json()["text"] for each in (sent, meanwhile)]

            async def is_ready() -> bool:
                return not await not_ready()

            await until(is_ready)
            return texts, await node.client.get("/health/ready")

    texts, ready = asyncio.run(ask())
    assert texts == ["0 1 2 3 "] * 2 and ready.json()["status"] == "ready"


def test_without_redis_an_answer_is_one_sentence(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.scaleout.front.PUT_SECONDS", 0.05)

    async def ask() -> list[httpx.Response]:
        async with node_and_crew(server) as (node, crew):
            await come(crew, Halting())
            await node.client.get("/v1/models")
            server.kill()
            try:
                return [await node.client.post("/generate", json=ASK)]
            finally:
                server.start()

    [answer] = asyncio.run(ask())
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert "cannot be reached; try again" in answer.json()["error"]["message"]


def test_many_at_once_by_two_workers_and_one_of_them_dies(server: RedisServer) -> None:
    """Every answer is the one that the model gives alone."""
    seeds = range(24)

    async def ask() -> list[httpx.Response]:
        async with node_and_crew(server, queue=100) as (node, crew):
            first = await come(crew)
            await come(crew)
            sent = [
                asyncio.create_task(
                    node.client.post("/generate", json={**ASK, "max_tokens": 12, "seed": seed})
                )
                for seed in seeds
            ]
            await until(lambda: bool(first.running))
            await crew.kill(first)
            return list(await asyncio.gather(*sent))

    answers = asyncio.run(ask())
    assert [answer.json()["token_ids"] for answer in answers] == [alone(seed, 12) for seed in seeds]


def test_a_worker_that_drains_finishes_what_it_took(server: RedisServer) -> None:
    async def ask() -> tuple[httpx.Response, list[Any]]:
        async with node_and_crew(server) as (node, crew):
            halting = Halting(halt_at=1)
            worker = await come(crew, halting)
            sent = asyncio.create_task(node.client.post("/generate", json=ASK))
            await halting.halted.wait()
            worker.drain()
            halting.go_on.set()
            answer = await sent
            await crew._runs[0]
            redis: Any = crew.streams[0]._redis
            return answer, await redis.xinfo_consumers("minimind:requests", "workers")

    answer, consumers = asyncio.run(ask())
    assert answer.status_code == 200 and consumers == []


def test_no_error_of_a_backend_is_unknown_to_a_node() -> None:
    """Each ServiceError that blames or spares a backend has its code on the wire."""
    from serving.scaleout.wire import ERRORS, Said, read_said

    for code, error in ERRORS.items():
        told = read_said(Said("r", 0, (), error("It is so.", param="p", retry_after=2.0)).written())
        assert type(told.error) is error and told.error.code == code and told.last
        assert isinstance(told.error, ServiceError) and told.error.retry_after == 2.0
