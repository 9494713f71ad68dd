"""What a stranger's page can do to the app in a real Chromium, and what the app says to the network: nothing.

The server stands below a path and asks for a token, as the strictest user would start it. Every address that
its processes connect to is written down by a hook in each of them.
"""

from __future__ import annotations

import http.server
import re
import shlex
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from websockets.exceptions import InvalidStatus

from tests.browser.conftest import ROOT, free_port, running_app, settle, watch
from tests.browser.sessions import Session

pytestmark = pytest.mark.timeout(180)

PATIENCE = 60_000
WRITE_DOWN = """
import pathlib, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        place = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        with open({file!r}, "a") as file:
            print(event, place, file=file)

sys.addaudithook(note)
note("socket.connect", (None, ("127.0.0.1", "the hook is on")))
"""
ATTACK = """async address => {
  const socket = new WebSocket(address.replace("http", "ws") + "/_stcore/stream", ["streamlit"])
  const opened = await new Promise(done => {
    socket.onopen = () => done(true)
    socket.onclose = () => done(false)
  })
  const loaded = await new Promise(done => {
    const script = document.createElement("script")
    script.src = address + "/_stcore/health"
    script.onload = () => done(true)
    script.onerror = () => done(false)
    document.body.append(script)
  })
  const put = await fetch(address + "/_stcore/upload_file/a/b", { method: "PUT", credentials: "include" })
    .then(answer => answer.ok, () => false)
  const frame = document.createElement("iframe")
  frame.src = address + "/settings"
  document.body.append(frame)
  await new Promise(done => frame.onload = done)
  return { opened, loaded, put }
}"""

TRANSLATE = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const found = []
  while (texts.nextNode()) if (texts.currentNode.data.trim()) found.push(texts.currentNode)
  for (const text of found) {
    if (text.parentElement.closest("script, style, textarea, svg")) continue
    const [outer, inner] = [document.createElement("font"), document.createElement("font")]
    text.replaceWith(outer)
    outer.append(inner)
    inner.append(`⟨${text.data}⟩`)
  }
}"""
"""What a browser that translates does to a page: each text becomes another one, two elements deeper."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An app and the folder of its log and of `connected`, all addresses that it spoke to."""
    folder = tmp_path_factory.mktemp("strangers")
    hook = watched(folder)
    with running_app(folder, free_port(), path="/lab", MINIMIND_TOKEN="on", PYTHONPATH=hook) as address:
        yield address, folder


def watched(folder: Path) -> str:
    """A PYTHONPATH under which each Python process writes down what it connects to."""
    (folder / "hook").mkdir()
    code = WRITE_DOWN.format(file=str(folder / "connected"))
    (folder / "hook" / "sitecustomize.py").write_text(code)
    return str(folder / "hook")


def foreign_places(folder: Path) -> list[str]:
    """What the app's processes connected to or asked about beyond this machine."""
    lines = (folder / "connected").read_text().splitlines()
    assert any("socket.connect" in line for line in lines), "no connection at all: the hook is off"
    own = re.compile(
        r"socket\.\w+ (b?'?/.*|\('(127\.0\.0\.1|localhost|::1)'.*|127\.0\.0\.1|localhost|::1|None)"
    )
    return [line for line in lines if not own.fullmatch(line)]


@pytest.fixture
def visitor(app: tuple[str, Path], chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that has opened the address in the terminal."""
    address, folder = app
    context = chromium.new_context(locale="en-US")
    token = re.search(r"\?token=(\S+)", (folder / "log").read_text())
    assert token, "the terminal shows no token"
    page = context.new_page()
    page.goto(f"{address}/?token={token[1]}")
    assert page.url == f"{address}/", "the token stays in no history"
    page.close()
    yield context
    context.close()


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of a stranger's page on this machine."""

    class Blank(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>stranger</title><body>")

        def log_message(self, *_what: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blank) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        yield stranger.server_port
        stranger.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.localhost"])
def test_a_page_of_another_port_opens_loads_changes_and_frames_nothing(
    app: tuple[str, Path], visitor: BrowserContext, elsewhere: int, host: str
) -> None:
    """With the visitor's cookies, which a browser sends to every port of a host."""
    address, _ = app
    page = visitor.new_page()
    page.goto(f"http://{host}:{elsewhere}/")
    assert page.evaluate(ATTACK, address) == {"opened": False, "loaded": False, "put": False}
    framed = page.frames[1]
    assert framed.url.startswith("chrome-error://") or not framed.locator("#root").count(), framed.content()


def test_a_journey_speaks_to_no_address_but_the_servers(
    app: tuple[str, Path], visitor: BrowserContext
) -> None:
    address, folder = app
    page, wrong = visitor.new_page(), []
    watch(page, address, wrong)
    page.goto(f"{address}/?lang=en")
    page.locator(".js-plotly-plot .bars").first.wait_for(timeout=PATIENCE)
    for path in ("settings", "playground", "q13_sampling"):
        page.locator(f"[data-testid=stSidebarNavLink][href='{address}/{path}']").evaluate(
            "link => link.click()"
        )
        page.wait_for_url(f"**/lab/{path}*")
        settle(page)
    page.locator("textarea").first.fill("an answer")
    settle(page)
    assert not wrong, "\n".join(wrong)
    assert not foreign_places(folder), foreign_places(folder)


def test_a_page_that_the_browser_has_translated_goes_on(
    app: tuple[str, Path], visitor: BrowserContext
) -> None:
    address, _ = app
    page, wrong = visitor.new_page(), []
    watch(page, address, wrong)
    page.goto(f"{address}/q06_gqa?lang=en")
    page.get_by_role("textbox", name="Your answer").fill("an answer", timeout=PATIENCE)
    skip, lab = page.get_by_role("button", name="Skip all"), page.locator("#lab")
    skip.or_(lab).first.wait_for(timeout=PATIENCE)
    settle(page)
    page.evaluate(TRANSLATE)
    if not lab.is_visible():  # a second try finds them skipped
        page.get_by_role("button", name="⟨Skip all⟩").click()
    expect(lab).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.evaluate(TRANSLATE)
    page.locator("[data-testid=stSidebarNavLink][href$='/q07_rope']").evaluate("link => link.click()")
    page.wait_for_url("**/lab/q07_rope*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("RoPE", timeout=PATIENCE)
    settle(page)
    assert not wrong, "\n".join(wrong)


def test_who_has_not_shown_the_token_reads_where_it_is(app: tuple[str, Path], chromium: Browser) -> None:
    page = chromium.new_page(locale="zh-CN")
    page.goto(f"{app[0]}/q13_sampling")
    assert "请打开终端里显示的地址" in page.locator("body").inner_text()
    page.close()


def test_an_unknown_name_is_answered_with_what_is_missing(app: tuple[str, Path], chromium: Browser) -> None:
    page: Page = chromium.new_page(locale="en-US")
    page.goto(app[0].replace("127.0.0.1", "team.localhost"))
    assert "--server.allowedHosts team.localhost" in page.locator("body").inner_text()
    page.close()


def test_the_readmes_line_serves_a_team_and_asks_nobody_for_its_address(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = re.search(r"^MINIMIND_DATABASE=\S+ streamlit run app.py (.*)$", readme, re.MULTILINE)
    assert line, "README shows no line for a team"
    port, options = free_port(), shlex.split(line[1].replace("study.example.org", "team.localhost"))
    hook = watched(tmp_path)
    with running_app(tmp_path, port, *options, PYTHONPATH=hook) as address:
        named = address.replace("127.0.0.1", "team.localhost")
        with Session(named, "", lang="en") as colleague:
            assert not colleague.errors() and colleague.says("interview")
        for stranger in ("http://checked.example", f"http://team.localhost:{port + 1}", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                Session(named, "", origin=stranger)
        request = urllib.request.Request(address, headers={"Host": f"team.localhost:{port}"})
        with urllib.request.urlopen(request) as answer:
            assert "minimind_visitor" in answer.headers["Set-Cookie"]
        wait_for_line(tmp_path / "log", "There is no login")
    assert not foreign_places(tmp_path), foreign_places(tmp_path)


def test_browser_tests_wait_in_a_way_that_the_policy_allows() -> None:
    """`wait_for_function` evaluates a text within the page: refused, unless its first look is enough."""
    call = "page.wait_for_" + "function("
    assert not [file.name for file in Path(__file__).parent.glob("*.py") if call in file.read_text()]


def wait_for_line(log: Path, words: str) -> None:
    """The terminal's lines come from a thread of their own."""
    for _ in range(300):
        if words in log.read_text():
            return
        threading.Event().wait(0.1)
    raise AssertionError(log.read_text())
