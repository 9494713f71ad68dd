"""What a server says where no request comes about, and where it breaks: in the shape of all its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from serving.backends.remote import RemoteBackend
from serving.logs import LOG
from serving.server import DrainingServer
from serving.service import Service
from serving.settings import Settings
from tests.serving.served import PROMPT, served, until
from tests.serving.test_refusals import check_shape

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
)
HOST = "Host: localhost\r\n"
UNREADABLE = {
    "no request": "nonsense\r\n\r\n",
    "no host": "GET /health HTTP/1.1\r\n\r\n",
    "a binary protocol": "\x16\x03\x01\x02\r\n\r\n",
    "a control character in a header": f"GET /health HTTP/1.1\r\n{HOST}a: \x00\r\n\r\n",
    "two lengths": f"POST /generate HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "headers without an end": f"GET /health HTTP/1.1\r\n{HOST}a: {'b' * 40_000}",
    "a chunk that is none": f"POST /generate HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
}
READABLE = {
    "GET": (f"GET /nowhere HTTP/1.1\r\n{HOST}{UPGRADE}\r\n", 404),
    "POST": (f"POST /health HTTP/1.1\r\n{HOST}{UPGRADE}Content-Length: 0\r\n\r\n", 405),
    "TRACE": (f"TRACE /generate HTTP/1.1\r\n{HOST}\r\n", 405),
}
"""Whoever asks to go over to a WebSocket is answered as anybody else."""


def nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@asynccontextmanager
async def listening() -> AsyncGenerator[int]:
    """A real server on a free port; nobody is behind it."""
    settings = Settings(port=0, backend="http://127.0.0.1:9")
    backend = RemoteBackend(settings.backend, 1, httpx.MockTransport(nobody))
    server = DrainingServer(Service(settings, backend))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def say(port: int, text: str) -> httpx.Response:
    """What is answered to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode("latin-1"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(next(value for name, value in headers.items() if name.lower() == "content-length"))
        content = await reader.readexactly(length)
    finally:
        writer.close()
    return httpx.Response(int(status.split()[1]), headers=headers, content=content)


def answers(texts: list[str]) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        async with listening() as port:
            return [await say(port, text) for text in texts]

    return asyncio.run(ask())


def test_what_cannot_be_read_is_told_so_as_everything_else() -> None:
    for name, answer in zip(UNREADABLE, answers(list(UNREADABLE.values())), strict=True):
        assert answer.status_code == 400, name
        assert "no HTTP/1.1 request" in check_shape(answer)
        assert (
            answer.headers["Content-Type"] == "application/json" and answer.headers["Connection"] == "close"
        )
        assert len(answer.headers["X-Request-Id"]) == 32


def test_a_request_to_go_over_to_a_websocket_is_a_request(caplog: pytest.LogCaptureFixture) -> None:
    for answer, (_, status) in zip(
        answers([text for text, _ in READABLE.values()]), READABLE.values(), strict=True
    ):
        assert answer.status_code == status and check_shape(answer)
        assert answer.headers["X-Request-Id"] and answer.headers["Content-Type"] == "application/json"
    assert "install" not in caplog.text


@pytest.mark.parametrize("said", ["", "GET /health HT", f"GET /health HTTP/1.1\r\n{HOST}A: b\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second byte does not begin the time anew; nobody who said nothing is told anything."""
    monkeypatch.setattr("serving.protocol.HEAD_SECONDS", 0.3)

    async def ask() -> bytes:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for letter in said:
                writer.write(letter.encode())
            answer = await reader.read()
            writer.close()
            return answer

    answer = asyncio.run(ask())
    if not said:
        assert answer == b""
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ") and b"X-Request-Id: " in head
    assert "head was not complete" in json.loads(body)["error"]["message"]


def test_a_connection_that_is_kept_has_as_long_for_its_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time runs while a head is to come: not while an answer is made, nor between two requests."""
    monkeypatch.setattr("serving.protocol.HEAD_SECONDS", 0.3)

    async def ask() -> list[bytes]:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            request = f"GET /nowhere HTTP/1.1\r\n{HOST}\r\n".encode()
            seen = []
            for _ in range(2):
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                await reader.readexactly(length)
                seen.append(head.split()[1])
                await asyncio.sleep(0.5)
            writer.write(b"G")
            seen.append((await reader.readline()).split()[1])
            writer.close()
            return seen

    assert asyncio.run(ask()) == [b"404", b"404", b"408"]


def test_others_are_served_meanwhile() -> None:
    async def ask() -> int:
        async with listening() as port, httpx.AsyncClient(trust_env=False) as client:
            await say(port, UNREADABLE["no request"])
            return (await client.get(f"http://127.0.0.1:{port}/health/live")).status_code

    assert asyncio.run(ask()) == 200


@pytest.mark.parametrize("path", ["/generate", "/v1/models"])
def test_a_fault_of_ours_has_the_shape_and_the_name_too(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_words: Any, **_more: Any) -> Any:
        raise RuntimeError("a fault")

    async def ask() -> httpx.Response:
        async with served() as there:
            monkeypatch.setattr("serving.api.generation.service_of", broken)
            transport = httpx.ASGITransport(there.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                if path == "/generate":
                    return await client.post(path, json={"prompt": PROMPT}, headers={"X-Request-Id": "mine"})
                return await client.get(path, headers={"X-Request-Id": "mine"})

    monkeypatch.setattr(LOG, "propagate", True)
    with caplog.at_level("INFO", LOG.name):
        answer = asyncio.run(ask())
    assert answer.status_code == 500 and "X-Request-Id" in check_shape(answer)
    assert answer.json()["error"]["code"] == "internal" and answer.headers["X-Request-Id"] == "mine"
    told = {record.getMessage(): record for record in caplog.records if record.name == LOG.name}
    assert told["request"].facts["status"] == 500 and told["fault"].facts == {"request_id": "mine"}  # type: ignore[attr-defined]
    assert "a fault" in caplog.text
