"""`python -m serving ray` on a real Ray of this machine: engines come with the load, die, and are drained."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.minimind_core.checkpoint_samples import save_tiny
from tests.ray_cluster import ON_RAY, STARTED, Head, free_ports
from tests.serving.logged_process import LoggedProcess
from tests.serving.served import alone
from tests.serving.test_generation import text_of

pytestmark = list(ON_RAY)
SLOTS, TOKENS, STREAMED, LONG = 2, 120, 1000, 3000
OPTIONS = {
    "--min-engines": 1,
    "--max-engines": 2,
    "--slots": SLOTS,
    "--max-length": 4096,
    "--max-new-tokens": LONG,
    "--deadline": STARTED,
    "--drain-seconds": STARTED,
    "--upscale-seconds": 1,
    "--downscale-seconds": 3 * STARTED,
}


class RayService(LoggedProcess):
    """The command with a tiny model, on the cluster of `head`, else on a Ray of its own."""

    def __init__(self, folder: Path, head: Head | None = None) -> None:
        save_tiny(folder / "tiny")
        (port,) = free_ports(1)
        options = {**OPTIONS, "--model": folder / "tiny", "--port": port}
        if head is not None:
            options |= {"--address": head.node, "--downscale-seconds": 1}
        words = [str(word) for option in options.items() for word in option]
        super().__init__("ray", *words, patience=STARTED)
        self._ray = self.process.pid if head is None else head.pid
        self.address = self.line("ready")["address"]

    def replicas(self, application: str) -> set[int]:
        """The processes of the engines, or of the fronts."""
        title = f"ray::ServeReplica:{application}"
        processes = psutil.Process(self._ray).children(recursive=True)
        return {each.pid for each in processes if _title(each).startswith(title)}

    def engines(self) -> set[int]:
        return self.replicas("minimind-engines")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayService]:
    running = RayService(tmp_path_factory.mktemp("service"))
    yield running
    if running.process.poll() is None:
        running.end()


@asynccontextmanager
async def client_of(service: RayService) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.address, timeout=STARTED, trust_env=False) as client:
        yield client


async def whole(client: httpx.AsyncClient, seed: int) -> list[int]:
    response = await client.post("/generate", json=asked(seed, TOKENS))
    assert response.status_code == 200, response.text
    tokens: list[int] = response.json()["token_ids"]
    return tokens


class Streamed:
    """One answer from /v1/completions as it comes."""

    def __init__(self, client: httpx.AsyncClient, seed: int, tokens: int) -> None:
        self._client, self._body = client, {**asked(seed, tokens), "stream": True}
        self.begun = asyncio.Event()
        self.text, self.last = "", ""

    async def read(self) -> None:
        async with self._client.stream("POST", "/v1/completions", json=self._body) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line:
                    self._note(line.removeprefix("data: "))

    def _note(self, data: str) -> None:
        self.begun.set()
        self.last = data
        self.text += text_of(json.loads(data)) if data != "[DONE]" else ""


def asked(seed: int, tokens: int) -> dict[str, Any]:
    return {"prompt": "Ab", "max_tokens": tokens, "seed": seed, "ignore_eos": True}


@cache
def expected(seed: int) -> list[int]:
    return alone(seed, TOKENS)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(STARTED):
        while not holds():
            await asyncio.sleep(0.05)


async def in_flight(client: httpx.AsyncClient, requests: int) -> None:
    """Returns once so many requests are with the front."""
    async with asyncio.timeout(STARTED):
        while (await client.get("/health")).json()["in_flight"] != requests:
            await asyncio.sleep(0.05)


async def asked_again_and_again(service: RayService, callers: int, enough: Callable[[], bool]) -> list[int]:
    """How many answers each caller got until it was enough; all are what the model gives."""
    over = False

    async def answers(client: httpx.AsyncClient, seed: int) -> int:
        count = 0
        while not over:
            assert await whole(client, seed) == expected(seed)
            count += 1
        return count

    async with client_of(service) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(answers(client, seed)) for seed in range(callers)]
        await until(enough)
        over = True
    return [task.result() for task in tasks]


def test_a_second_engine_comes_with_the_load_and_nobody_is_refused(service: RayService) -> None:
    assert len(service.engines()) == 1
    counts = asyncio.run(asked_again_and_again(service, 3 * SLOTS, lambda: len(service.engines()) == 2))
    assert min(counts) > 0


def test_an_engine_is_killed_and_every_answer_is_the_one_that_the_model_gives(service: RayService) -> None:
    """Streams that fill both engines, and requests that wait for a slot."""

    async def ask() -> tuple[list[str], list[list[int]]]:
        async with client_of(service) as client, asyncio.TaskGroup() as group:
            streams = [Streamed(client, seed, STREAMED) for seed in range(2 * SLOTS)]
            for each in streams:
                group.create_task(each.read())
            for each in streams:
                await each.begun.wait()
            waiting = [group.create_task(whole(client, seed)) for seed in range(2 * SLOTS, 4 * SLOTS)]
            before = service.engines()
            assert not any(each.last == "[DONE]" for each in streams)
            psutil.Process(min(before)).kill()
            for task in waiting:
                await task
            await until(lambda: len(service.engines() | before) == 3 and len(service.engines()) == 2)
        assert [each.last for each in streams] == ["[DONE]"] * len(streams)
        return [each.text for each in streams], [task.result() for task in waiting]

    texts, tokens = asyncio.run(ask())
    assert tokens == [expected(seed) for seed in range(2 * SLOTS, 4 * SLOTS)]
    whole_texts = [
        httpx.post(f"{service.address}/generate", json=asked(seed, STREAMED), timeout=STARTED).json()["text"]
        for seed in range(2 * SLOTS)
    ]
    assert texts == whole_texts


def test_a_bad_request_and_a_foreign_name_get_the_sentence_of_the_service(service: RayService) -> None:
    refused = httpx.post(f"{service.address}/generate", json={"prompt": "Ab", "max_tokens": 0})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "max_tokens"
    foreign = httpx.get(f"{service.address}/health", headers={"Host": "elsewhere.example.org"})
    assert foreign.status_code == 421


def test_a_front_is_killed_and_the_next_one_serves(service: RayService) -> None:
    async def ask() -> tuple[Streamed, httpx.Response]:
        async with client_of(service) as client:
            stream = Streamed(client, 1, LONG)
            reading = asyncio.create_task(stream.read())
            waiting = asyncio.create_task(client.post("/generate", json=asked(2, LONG)))
            await stream.begun.wait()
            await in_flight(client, 2)
            (front,) = service.replicas("minimind-fronts")
            psutil.Process(front).kill()
            with pytest.raises(httpx.RemoteProtocolError):
                await reading
            return stream, await waiting

    stream, refused = asyncio.run(ask())
    assert stream.last != "[DONE]"
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "front_failed"
    next_one = httpx.post(f"{service.address}/generate", json=asked(3, TOKENS), timeout=STARTED)
    assert next_one.json()["token_ids"] == expected(3)


def test_after_sigterm_what_was_accepted_is_answered_and_nothing_is_left(service: RayService) -> None:
    processes = psutil.Process(service.process.pid).children(recursive=True)

    async def ask() -> tuple[Streamed, httpx.Response]:
        async with client_of(service) as client, asyncio.TaskGroup() as group:
            stream = Streamed(client, 1, LONG)
            group.create_task(stream.read())
            await stream.begun.wait()
            service.process.terminate()
            while (response := await client.post("/generate", json=asked(2, 1))).status_code == 200:
                pass
        return stream, response

    stream, refused = asyncio.run(ask())
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "draining"
    assert stream.last == "[DONE]"
    assert service.process.wait(STARTED) == 0 and service.line("drained")["left"] == 0
    assert psutil.wait_procs(processes, STARTED)[1] == []


def test_on_a_cluster_that_is_there_it_follows_the_load_both_ways_and_leaves_the_rest(
    head: Head, tmp_path: Path
) -> None:
    import ray

    running = RayService(tmp_path, head)
    asyncio.run(asked_again_and_again(running, 3 * SLOTS, lambda: len(running.engines()) == 2))
    asyncio.run(asked_again_and_again(running, 1, lambda: len(running.engines()) == 1))
    assert running.end() == 0
    assert ray.get(ray.remote(lambda: "still there").remote(), timeout=STARTED) == "still there"


def _title(process: psutil.Process) -> str:
    try:
        return next(iter(process.cmdline()), "")
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
