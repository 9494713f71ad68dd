"""The balancer of a team: a browser stays with its process, and comes to the other one when that ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from serving.scaleout.programs import free_port
from tests.serving.scaleout.balancer import COOKIE, Balancer, balancing
from tests.serving.scaleout.redis_server import need

MANY = 64
"""Browsers after which both processes have one, or the balancer does not balance."""


class Process(BaseHTTPRequestHandler):
    """Stands in for the app: tells its port and what came to it."""

    def do_GET(self) -> None:
        told = {"port": self.server.server_address[1], **{k.lower(): v for k, v in self.headers.items()}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_words: object) -> None:
        """Says nothing."""


@contextmanager
def process() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Process)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with server:
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def processes() -> Iterator[list[ThreadingHTTPServer]]:
    with ExitStack() as running:
        yield [running.enter_context(process()) for _ in range(2)]


@pytest.fixture
def balancer(processes: list[ThreadingHTTPServer], tmp_path: Path) -> Iterator[Balancer]:
    need("nginx")
    with balancing(tmp_path, free_port(), [server.server_address[1] for server in processes]) as running:
        yield running


def browser(balancer: Balancer) -> httpx.Client:
    return httpx.Client(base_url=balancer.address, trust_env=False, timeout=60)


def answers(client: httpx.Client, **headers: str) -> dict[str, object]:
    answer = client.get("/", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_browser_stays_with_its_process_and_others_come_to_the_other(balancer: Balancer) -> None:
    homes = set()
    for _ in range(MANY):
        with browser(balancer) as client:
            ports = {answers(client)["port"] for _ in range(3)}
            assert len(ports) == 1
            assert balancer.answered(client.cookies[COOKIE]) in ports
            homes |= ports
        if len(homes) == 2:
            return
    raise AssertionError("one process gets everybody")


def test_when_its_process_ends_a_browser_comes_to_the_other_and_stays_there(
    balancer: Balancer, processes: list[ThreadingHTTPServer]
) -> None:
    with browser(balancer) as client:
        home, name = answers(client)["port"], client.cookies[COOKIE]
        ended, left = sorted(processes, key=lambda server: server.server_address[1] != home)
        ended.shutdown()
        ended.server_close()
        assert {answers(client)["port"] for _ in range(3)} == {left.server_address[1]}
        assert client.cookies[COOKIE] == name and balancer.answered(name) == left.server_address[1]


def test_a_page_may_go_over_to_a_websocket_and_the_app_sees_who_asks(balancer: Balancer) -> None:
    with browser(balancer) as client:
        seen = answers(client, Upgrade="websocket", Connection="Upgrade")
    assert seen["upgrade"] == "websocket" and seen["connection"] == "upgrade"
    assert seen["x-forwarded-for"] == "127.0.0.1" and seen["x-forwarded-proto"] == "http"
