"""No page but our own reaches Streamlit, the internet is asked nothing, each answer has its headers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit import config, net_util
from streamlit.web.server.starlette import starlette_websocket

from pages.ui.site import origin, server
from pages.ui.site.access import Key, cookie_name
from pages.ui.site.guard import Guard

OWN = "127.0.0.1:8501"
KNOWN = ("127.0.0.1", "localhost", "[::1]", "study.example.org")
SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def team_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server with one name of its own, in whose process the internet must not be asked."""

    def asked() -> str:
        raise AssertionError("the internet was asked for an address")

    monkeypatch.setattr(net_util, "get_external_ip", asked)
    monkeypatch.delenv(origin.VARIABLE, raising=False)
    before = config.get_option("server.allowedHosts")
    config.set_option("server.allowedHosts", ["localhost", "127.0.0.1", "study.example.org"])
    yield
    config.set_option("server.allowedHosts", before)


@dataclass
class Asked:
    """A request to the guard: what the app behind it was given, and what came back."""

    passed: dict[str, Any] | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]


def ask(
    *headers: tuple[str, str], kind: str = "websocket", scheme: str = "", path: str = "/", **scope: Any
) -> Asked:
    asked = Asked()
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
    given_scope = {
        "type": kind,
        "scheme": scheme or ("ws" if kind == "websocket" else "http"),
        "path": path,
        "query_string": b"",
        "headers": raw,
        **scope,
    }

    async def app(inner: dict[str, Any], _receive: object, _send: object) -> None:
        asked.passed = inner

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: dict[str, Any]) -> None:
        asked.sent.append(message)

    asyncio.run(Guard(app)(given_scope, receive, send))
    assert kind == "http" or (asked.passed is None) == (
        asked.sent == [{"type": "websocket.close", "code": 1008}]
    )
    return asked


def streamlit_lets_in(scope: dict[str, Any]) -> bool:
    """What Streamlit's own check says to a websocket that the guard has passed on."""
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    return starlette_websocket._is_origin_allowed(headers["origin"], headers["host"])


ports = st.sampled_from([None, 80, 443, 8501, 8502, 9999])
hosts = st.sampled_from(
    [*KNOWN, "evil.example", "127.0.0.1.evil.example", "0.0.0.0", "study.example.org.", "[::2]"]
)
schemes = st.sampled_from(["http", "https"])


def authority(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


@given(page=st.tuples(schemes, hosts, ports), here=st.tuples(schemes, hosts, ports))
@SETTINGS
def test_only_the_same_scheme_host_and_port_opens_a_websocket(page: tuple, here: tuple) -> None:
    def whole(scheme: str, host: str, port: int | None) -> tuple[str, str, int]:
        return scheme, host, port or {"http": 80, "https": 443}[scheme]

    socket = ask(
        ("host", authority(*here[1:])),
        ("origin", f"{page[0]}://{authority(*page[1:])}"),
        scheme={"http": "ws", "https": "wss"}[here[0]],
    )
    same = whole(*page) == whole(*here) and here[1].rstrip(".") in KNOWN
    assert (socket.passed is not None) == same
    if socket.passed:
        assert streamlit_lets_in(socket.passed)


@given(
    sent=st.text(max_size=60) | st.builds("http://{}{}".format, st.just(OWN), st.text(min_size=1, max_size=9))
)
@SETTINGS
def test_no_other_text_is_an_origin_of_ours(sent: str) -> None:
    parsed = origin.parse(sent.encode("latin-1", "replace").decode("latin-1"))
    same = parsed == origin.Origin("http", "127.0.0.1", 8501)
    assert (ask(("host", OWN), ("origin", sent)).passed is not None) == same


@given(st.text("0123456789abcdef:.", min_size=1, max_size=12) | st.ip_addresses().map(str))
@example("0.0.0.0")
@SETTINGS
def test_what_stands_in_brackets_is_an_address_or_no_host(inside: str) -> None:
    """Python refuses to read others, and a name for any host would let them through to where it does."""
    config.set_option("server.allowedHosts", ["*"])
    given = (("host", f"[{inside}]"), ("origin", f"http://[{inside}]"))
    socket, page = ask(*given), ask(*given[:1], kind="http", path="/_stcore/metrics", method="GET")
    assert socket.passed is None or streamlit_lets_in(socket.passed)
    assert page.passed is not None or page.status in (400, 404)


def test_names_without_an_end_leave_no_list_without_an_end() -> None:
    config.set_option("server.allowedHosts", ["*.example.org", "study.example.org"])
    for number in range(300):
        host = f"a{number}.example.org"
        socket = ask(("host", host), ("origin", f"http://{host}"))
        assert socket.passed is not None and streamlit_lets_in(socket.passed)
    allowed = config.get_option("server.allowedHosts")
    assert len(allowed) < 150 and {"*.example.org", "study.example.org"} < {*allowed}


@pytest.mark.parametrize(
    "sent",
    [
        "null",
        "",
        "http://127.0.0.1:8501/",
        "http://127.0.0.1:8501@evil.example",
        "http://evil.example@127.0.0.1:8501",
        "http://127.0.0.1:8501.evil.example",
        "http://127.0.0.1",
        "https://127.0.0.1:8501",
        "ws://127.0.0.1:8501",
        "http://localhost:8501",
        "http://127.0.0.1:8501 ",
        "http://127.0.0.1:85010",
        "http://127.0.0.1:99999",
        "http://2130706433:8501",
    ],
)
def test_what_only_looks_like_our_origin_is_refused(sent: str) -> None:
    assert ask(("host", OWN), ("origin", sent)).passed is None
    for method in ("PUT", "DELETE", "POST", "OPTIONS", "PATCH"):
        refused = ask(("host", OWN), ("origin", sent), kind="http", method=method)
        assert refused.passed is None and refused.status == 403


@pytest.mark.parametrize("header", ["host", "origin"])
def test_a_header_that_comes_twice_or_not_at_all_is_refused(header: str) -> None:
    both = {"host": OWN, "origin": f"http://{OWN}"}
    other = {name: value for name, value in both.items() if name != header}
    assert ask(*both.items()).passed is not None
    assert ask(*both.items(), (header, both[header])).passed is None
    assert ask(*other.items()).passed is None


@given(host=st.text(max_size=40) | hosts)
@SETTINGS
def test_http_too_answers_only_to_its_own_names(host: str) -> None:
    page = ask(("host", host), kind="http", method="GET")
    name = origin.parse(f"http://{host.encode('latin-1', 'replace').decode('latin-1')}")
    known = name is not None and name.host.rstrip(".") in {own.strip("[]") for own in KNOWN}
    assert (page.passed is not None) == known
    assert known or page.status in (400, 421)


def test_names_below_a_domain_can_be_allowed() -> None:
    assert origin.is_known("a.example.org", ["*.example.org"])
    assert not origin.is_known("example.org.evil", ["*.example.org"]) and not origin.is_known(
        "org", ["*.org"]
    )
    assert origin.is_known("anything", ["*"]) and not origin.is_known("anything", [])


def test_a_monitor_may_ask_under_any_name_whether_the_server_runs() -> None:
    for host in ("10.0.0.7:8501", OWN):
        assert ask(("host", host), kind="http", method="GET", path="/lab/_stcore/health").passed
    assert not ask(("host", "10.0.0.7"), kind="http", method="GET", path="/_stcore/metrics").passed


def test_figures_of_the_server_are_for_this_machine() -> None:
    metrics = {"kind": "http", "method": "GET", "path": "/_stcore/metrics"}
    assert ask(("host", OWN), **metrics).passed
    assert ask(("host", "study.example.org"), **metrics).status == 404


@pytest.mark.parametrize(
    ("site", "destination", "path", "in_"),
    [
        ("cross-site", "document", "/", True),
        ("same-site", "document", "/settings", True),
        ("none", "document", "/", True),
        ("same-origin", "script", "/plotly.js", True),
        ("cross-site", "iframe", "/settings", False),
        ("same-site", "iframe", "/settings", False),
        ("cross-site", "script", "/plotly.js", False),
        ("cross-site", "image", "/media/a.png", False),
        ("same-site", "empty", "/_stcore/host-config", False),
        ("cross-site", "document", "/auth/logout", False),
        ("same-origin", "document", "/auth/logout", True),
    ],
)
def test_other_sites_may_link_to_a_page_and_load_nothing(
    site: str, destination: str, path: str, in_: bool
) -> None:
    sent = ask(
        ("host", OWN),
        ("sec-fetch-site", site),
        ("sec-fetch-dest", destination),
        kind="http",
        method="GET",
        path=path,
    )
    assert (sent.passed is not None) == in_


@pytest.mark.parametrize("host", ["127.0.0.1:8501", "study.example.org", "lab.internal:8501"])
def test_a_declared_public_origin_works_behind_a_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not the proxy hands on the name that browsers see, and Streamlit need not be told."""
    config.set_option("server.allowedHosts", ["localhost", "127.0.0.1", "lab.internal"])
    monkeypatch.setenv(origin.VARIABLE, "https://study.example.org")
    passed = ask(("host", host), ("origin", "https://study.example.org")).passed
    assert passed and streamlit_lets_in(passed)
    for other in ("http://study.example.org", "https://study.example.org:8443", "https://example.org"):
        unlike = ask(("host", "127.0.0.1:8501"), ("origin", other))
        assert unlike.passed is None


@pytest.mark.parametrize(
    "declared", ["study.example.org", "https://study.example.org/lab", "ftp://a", "https://a b"]
)
def test_a_public_origin_that_is_none_ends_the_server_with_a_sentence(
    declared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(origin.VARIABLE, declared)
    with pytest.raises(SystemExit, match="give scheme and name"):
        server.prepare()


def test_behind_a_proxy_that_nobody_declared_the_page_says_what_to_set() -> None:
    """Streamlit's own page shows this text in a dialog, where it would show an empty skeleton."""
    said = ask(
        ("host", OWN),
        ("referer", "https://study.example.org/q13"),
        ("sec-fetch-site", "same-origin"),
        kind="http",
        method="GET",
        path="/_stcore/health",
    )
    assert said.passed is None and b"MINIMIND_PUBLIC_ORIGIN=https://study.example.org" in said.sent[1]["body"]


async def page(_request: Request) -> Response:
    return HTMLResponse("<title>page</title>")


async def broken(_request: Request) -> Response:
    raise RuntimeError("inner detail")


def browser(key: Key | None = None) -> TestClient:
    app = Starlette(routes=[Route("/", page), Route("/q13", page), Route("/broken", broken)])
    return TestClient(Guard(app, key), base_url=f"http://{OWN}", raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("address", "status"), [("/", 200), ("/none", 404), ("/broken", 500), ("http://evil.example/", 421)]
)
def test_every_answer_has_the_headers(address: str, status: int) -> None:
    answer = browser().get(address)
    assert answer.status_code == status and "inner detail" not in answer.text
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["default-src"] == "'self'" and "unsafe" not in policy["script-src"]
    assert not re.search(r"\*|https:", " ".join(policy.values()))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "does not answer to the name evil.example"), ("zh-CN,zh", "没有名为 evil.example")],
)
def test_a_visitor_under_an_unknown_name_reads_what_is_missing(language: str, words: str) -> None:
    asked = {"accept": "text/html", "accept-language": language}
    answer = browser().get("http://evil.example/", headers=asked)
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text and "--server.allowedHosts evil.example" in answer.text


def test_what_is_repeated_of_a_request_is_no_markup() -> None:
    answer = ask(("host", "<script>x</script>"), ("accept", "text/html"), kind="http", method="GET")
    assert answer.status == 400 and b"<script" not in answer.sent[1]["body"]


def test_refusals_fill_no_disk(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard(lambda *_: None)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(_message: dict[str, Any]) -> None: ...

    for port in range(500):
        headers = [(b"host", OWN.encode()), (b"origin", f"http://{OWN[:-4]}{port}".encode())]
        scope = {"type": "websocket", "scheme": "ws", "path": "/", "headers": headers}
        asyncio.run(guard(scope, receive, send))
    assert 1 <= len(caplog.records) <= 20 and "may not use it" in caplog.text


KEY = Key(token="a token of many characters", cookie="0" * 64)


def test_the_token_lets_a_browser_in_and_leaves_its_address() -> None:
    client = browser(KEY)
    shut = client.get("/q13", headers={"accept": "text/html"})
    assert shut.status_code == 403 and "?token=" in shut.text
    moved = client.get(f"/q13?lang=zh&token={KEY.token}&x=a%26b", follow_redirects=False)
    assert moved.status_code == 303 and moved.headers["location"] == "./q13?lang=zh&x=a%26b"
    cookie = moved.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and KEY.token not in cookie
    assert "content-security-policy" in moved.headers
    assert client.get("/q13").status_code == 200


@pytest.mark.parametrize("given_", ["", "wrong", KEY.token[:-1], KEY.cookie, "é"])
def test_a_wrong_token_or_cookie_lets_nobody_in(given_: str) -> None:
    client = browser(KEY)
    assert client.get("/", params={"token": given_}).status_code == 403
    assert not KEY.known({cookie_name(): given_ if given_ != KEY.cookie else "1" * 64}) and not KEY.known({})
    assert not KEY.opens("\ud800") and not KEY.known({cookie_name(): "\ud800"})


def test_a_websocket_needs_the_cookie_too() -> None:
    passed = []

    async def app(scope: dict[str, Any], *_rest: object) -> None:
        passed.append(scope)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(_message: dict[str, Any]) -> None: ...

    headers = [(b"host", OWN.encode()), (b"origin", f"http://{OWN}".encode())]
    cookie = (b"cookie", f"{cookie_name()}={KEY.cookie}".encode())
    for sent in (headers, [*headers, cookie]):
        scope = {"type": "websocket", "scheme": "ws", "path": "/_stcore/stream", "headers": sent}
        asyncio.run(Guard(app, KEY)(scope, receive, send))
    assert len(passed) == 1
