"""Who counts as sitting at this machine, and the cookie that everybody else gets."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit import config

from pages.ui.site import server
from pages.ui.site.visitor import COOKIE, at_this_machine, visitor_name


async def page(_request: Request) -> Response:
    return HTMLResponse("<title>page</title>", headers={"Cache-Control": "no-cache"})


async def data(_request: Request) -> Response:
    return JSONResponse({})


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that listens on every interface."""
    before = {name: config.get_option(f"server.{name}") for name in ("address", "allowedHosts")}
    config.set_option("server.address", "0.0.0.0")
    config.set_option("server.allowedHosts", ["lab.example"])
    yield
    for name, value in before.items():
        config.set_option(f"server.{name}", value)


def browser(base: str = "http://lab.example") -> TestClient:
    return TestClient(
        Starlette(routes=[Route("/", page), Route("/data", data)], middleware=server.middleware()),
        base_url=base,
    )


def cookie(response) -> SimpleCookie | None:
    sent = response.headers.get("set-cookie")
    return SimpleCookie(sent)[COOKIE] if sent else None


def test_a_browser_elsewhere_gets_a_name_that_scripts_cannot_read(everywhere: None) -> None:
    client = browser()
    assert cookie(client.get("/data")) is None, "only pages bring it"
    first = client.get("/")
    sent = cookie(first)
    assert sent["httponly"] and sent["samesite"] == "Lax" and not sent["secure"] and sent["path"] == "/"
    assert int(sent["max-age"]) > 3e7 and first.headers["cache-control"] == "no-store"
    assert visitor_name({COOKIE: sent.value}) == sent.value
    assert cookie(client.get("/")).value == sent.value, "the same name, for another year"
    assert cookie(browser().get("/")).value != sent.value


def test_over_https_the_cookie_stays_there(everywhere: None) -> None:
    assert cookie(browser("https://lab.example").get("/"))["secure"]
    assert cookie(browser().get("/", headers={"X-Forwarded-Proto": "https"}))["secure"]


@pytest.mark.parametrize("name", ["", "a", "x" * 44, "../" + "x" * 40, "é" * 43])
def test_a_name_that_we_never_gave_is_none(name: str) -> None:
    assert visitor_name({COOKIE: name}) is None and visitor_name({}) is None


def test_a_made_up_name_is_replaced(everywhere: None) -> None:
    client = browser()
    client.cookies.set(COOKIE, "shared")
    assert cookie(client.get("/")).value != "shared"


@pytest.mark.parametrize(
    ("headers", "here"),
    [
        ({}, True),
        ({"host": "127.0.0.1:8501"}, True),
        ({"host": "localhost"}, True),
        ({"host": "[::1]:80"}, True),
        ({"host": "lab.example"}, False),
        ({"host": "[::1"}, False),
        ({"host": "[::x]"}, False),
        ({"host": "127.0.0.1.example"}, False),
        ({"host": "localhost", "x-forwarded-for": "10.0.0.7"}, False),
        ({"x-real-ip": "10.0.0.7"}, False),
    ],
)
def test_a_proxy_on_this_machine_is_not_the_person_who_sits_here(headers: dict[str, str], here: bool) -> None:
    assert config.get_option("server.address") == "127.0.0.1"
    assert at_this_machine(headers) is here


def test_who_sits_here_gets_no_cookie() -> None:
    assert cookie(browser("http://127.0.0.1:8501").get("/")) is None


def test_a_server_on_every_interface_trusts_no_address(everywhere: None) -> None:
    assert not at_this_machine({"host": "127.0.0.1:8501"})


HEADERS = ("cookie", "accept", "accept-language", "origin", "referer", "x-forwarded-proto", "range")
VALUES = st.binary(max_size=12) | st.sampled_from([b"zh;q=nan", b"a=\xff", b"http://[", b"bytes=9-0,-"])
HOSTS = st.text("[]:.1x@/ ", max_size=6).map(str.encode) | st.binary(max_size=6)


@given(
    st.sampled_from(["/_stcore/health", "/", "/data"]),
    HOSTS,
    st.lists(st.tuples(st.sampled_from(HEADERS).map(str.encode), VALUES), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_no_header_whatever_is_an_error_of_ours(
    path: str, host: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """A monitor may ask under any name, so that what reads a name meets all of them."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    routes = [Route("/", page), Route("/data", data), Route("/_stcore/health", data)]
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", host), *headers],
    }
    asyncio.run(Starlette(routes=routes, middleware=server.middleware())(scope, receive, send))
    assert sent[0]["status"] < 500
