"""A node that is a thin front: the tokens and errors of the server behind it, and a breaker of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from serving.backends.remote import RemoteBackend
from tests.serving.served import PROMPT, Served, events, held_back, served, until
from tests.serving.test_generation import ENDPOINTS, assert_equal_answers, body

ASK = {"prompt": PROMPT, "max_tokens": 4, "ignore_eos": True}


@asynccontextmanager
async def front_of(transport: httpx.AsyncBaseTransport, **settings: Any) -> AsyncGenerator[Served]:
    async with served(RemoteBackend("http://localhost", 10, transport), **settings) as front:
        yield front


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("stream", [False, True])
def test_it_says_what_the_server_behind_it_says(endpoint: str, stream: bool) -> None:
    asked = body(
        endpoint, temperature=0.8, top_k=40, min_p=0.01, repetition_penalty=1.1, stop=["never"], priority=3
    )

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with served() as behind, front_of(httpx.ASGITransport(behind.app)) as front:
            direct = await behind.client.post(endpoint, json={**asked, "model": "tiny", "stream": stream})
            return direct, await front.client.post(endpoint, json={**asked, "stream": stream})

    assert_equal_answers(*asyncio.run(ask()), stream)


def test_errors_and_models_pass_through() -> None:
    async def ask() -> list[httpx.Response]:
        async with served(max_length=40) as behind, front_of(httpx.ASGITransport(behind.app)) as front:
            return [
                await front.client.post("/generate", json={**ASK, "prompt": "a" * 60}),
                await front.client.post("/generate", json={**ASK, "model": "other"}),
                await front.client.get("/v1/models"),
            ]

    long, other, models = asyncio.run(ask())
    assert long.status_code == 400 and "this cache holds 40" in long.json()["error"]["message"]
    assert other.status_code == 404 and "ask for 'tiny'" in other.json()["error"]["message"]
    assert models.json()["data"][0]["id"] == "tiny"


def test_the_deadline_and_the_request_s_name_go_with_it() -> None:
    seen: list[httpx.Request] = []

    async def ask() -> None:
        async with served() as behind:
            inner = httpx.ASGITransport(behind.app)

            class Watched(httpx.AsyncBaseTransport):
                async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                    seen.append(request)
                    return await inner.handle_async_request(request)

            async with front_of(Watched()) as front:
                headers = {"X-Deadline-Ms": "20000", "X-Request-Id": "mine"}
                assert (await front.client.post("/generate", json=ASK, headers=headers)).status_code == 200

    asyncio.run(ask())
    assert seen[-1].headers["X-Request-Id"] == "mine"
    assert 0 < int(seen[-1].headers["X-Deadline-Ms"]) <= 20_000
    assert json.loads(seen[-1].content)["ignore_eos"] is True


def test_a_busy_server_is_not_a_broken_one() -> None:
    async def ask() -> tuple[httpx.Response, str]:
        async with (
            held_back(num_slots=1, queue=0) as (behind, engine),
            front_of(httpx.ASGITransport(behind.app), breaker_failures=1) as front,
        ):
            first = asyncio.create_task(front.client.post("/generate", json=ASK))
            await until(lambda: behind.service.gate.in_flight == 1)
            refused = await front.client.post("/generate", json=ASK)
            engine.let.release(1000)
            assert (await first).status_code == 200
            return refused, front.service.breaker.state

    refused, state = asyncio.run(ask())
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "backend_busy"
    assert refused.headers["Retry-After"] == "1" and state == "closed"


def gone(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def answering(content: bytes, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    models = {"data": [{"id": "m"}]}
    return lambda request: (
        httpx.Response(200, json=models)
        if request.method == "GET"
        else httpx.Response(status, content=content)
    )


@pytest.mark.parametrize(
    "behind",
    [
        gone,
        lambda request: httpx.Response(200, json=[1]),
        lambda request: httpx.Response(200, json={"data": []}),
        lambda request: httpx.Response(404, text="not here"),
        answering(b"<html>no</html>"),
        answering(b"data: {\n\n"),
        answering(b'data: {"choices": [{"text": "a", "finish_reason": null}]}\n\n'),
        answering(b'data: {"choices": 3}\n\n'),
        answering(b"oops", 500),
        answering(b'{"error": "text"}', 502),
        answering(b'data: {"error": {"message": "It broke."}}\n\n'),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_fails_or_speaks_otherwise_opens_the_breaker(
    behind: Callable[[httpx.Request], httpx.Response], stream: bool
) -> None:
    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with front_of(httpx.MockTransport(behind), breaker_failures=1) as front:
            asked = {**ASK, "stream": stream}
            first = await front.client.post("/generate", json=asked)
            return first, await front.client.post("/generate", json=asked)

    first, second = asyncio.run(ask())
    error = json.loads(events(first.text)[-1])["error"]
    assert error["code"] == "backend_failed" and (first.status_code == 503 or stream)
    assert second.status_code == 503 and second.json()["error"]["code"] == "breaker_open"


def test_a_front_loads_no_torch() -> None:
    loads = (
        "import sys, serving.command, serving.server, serving.backends.remote, serving.scaleout.front, "
        "serving.scaleout.cluster; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
