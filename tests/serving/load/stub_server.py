"""A small OpenAI-compatible server on a free loopback port, which notes what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn

from tests.serving.load.streams import DONE, event

PATIENCE = 60.0


class Stub:
    """Answers request after request as `plan` says, again and again.

    "answer", "busy" (503), "broken" (500), "leave" (ends in the middle), "stall" (until the client leaves),
    "nonsense" (no events).
    """

    def __init__(self, *plan: str) -> None:
        self.plan, self.log, self.bodies = plan, list[str](), list[dict[str, Any]]()
        self.peers = set[Any]()
        self.asked = threading.Semaphore(0)
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        kind = self.plan[len(self.log) % len(self.plan)]
        self.log.append(kind)
        self.peers.add(scope["client"])
        self.bodies.append({"path": scope["path"], **json.loads(body)})
        self.asked.release()
        await self._answer(kind, receive, send)

    async def _answer(self, kind: str, receive: Any, send: Any) -> None:
        status = {"busy": 503, "broken": 500}.get(kind, 200)
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if kind == "stall":
            while (await receive())["type"] != "http.disconnect":
                pass
        pieces = {
            "answer": [event("a"), event("b"), DONE],
            "leave": [event("a")],
            "nonsense": [b"data: ?\n\n"],
        }
        for piece in pieces.get(kind, []):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)
        if kind != "leave":
            await send({"type": "http.response.body", "body": b""})


@contextlib.contextmanager
def running(stub: Stub) -> Iterator[Stub]:
    """Serve in a thread of this process; everything has ended when the block ends."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        stub.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(stub, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield stub  # the socket listens already: who connects early is answered once it serves
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
        assert not thread.is_alive()
