"""One server and one Chromium for each file of tests; every page is watched for what must never happen."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.browser.chromium import ARGUMENTS, find_chromium

ROOT = Path(__file__).resolve().parents[2]
MODEL = "minimind-26m"
OWN_404 = ("/_stcore/health", "/_stcore/host-config")
"""Streamlit looks for its server below a deep link's path first; that it is not there is its own affair."""
READERS: dict[str, dict[str, Any]] = {
    "en": {"locale": "en-US", "theme": "light", "width": 1280},
    "zh": {"locale": "zh-CN", "theme": "dark", "width": 390},
}
"""English reads on a laptop by day, Chinese on a phone at night."""
OpenPage = Callable[..., Page]
expect.set_options(timeout=60_000)  # a busy machine draws late; what is there at once is not waited for


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser test that fails is tried once more; the summary names it as RERUN, and it is a fault."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running app, started as a user starts it; what a file answers, no other one sees."""
    with running_app(tmp_path_factory.mktemp("server"), free_port()) as address:
        yield address


@contextlib.contextmanager
def running_app(
    folder: Path,
    port: int,
    *options: str,
    model: str = MODEL,
    path: str = "",
    script: str = "app.py",
    **environment: str,
) -> Iterator[str]:
    """An app that keeps all that it keeps in `folder`; its log holds no traceback in the end.

    With an empty `model` it is the settings that choose one. It stands below `path`, such as "/lab".
    """
    log = (folder / "log").open("ab")
    own = {
        "MINIMIND_MODEL": model,
        "MINIMIND_LAB_CACHE": str(folder),
        "MINIMIND_DATA": str(folder),
        "MINIMIND_TOKEN": "off",
        "TMPDIR": str(folder),
    }
    inherited = {name: value for name, value in os.environ.items() if name != "MINIMIND_DATABASE"}
    process = subprocess.Popen(
        server_command(script, port, "--server.baseUrlPath", path, *options),
        cwd=ROOT,
        env=inherited | own | environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}{path}"
    try:
        wait_until_healthy(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(60)
    written = (folder / "log").read_text()
    assert "Traceback" not in written, written


def server_command(script: str, port: int, *options: str) -> list[str]:
    """What serves a Streamlit script at the port and opens no browser."""
    run = [sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true"]
    return [*run, "--server.port", str(port), *options]


@pytest.fixture(params=["en", pytest.param("zh", marks=pytest.mark.slow)])
def language(request: pytest.FixtureRequest) -> str:
    """A reader's, one after the other."""
    return str(request.param)


@contextlib.contextmanager
def own_page(chromium: Browser, folder: Path, address: str, language: str) -> Iterator[Page]:
    """A page of a fresh app, in which no prediction was made, as one of READERS sees it.

    Fails on anything that went wrong in it.
    """
    wrong: list[str] = []
    with running_app(folder, free_port()) as app:
        page = opened(chromium, app, f"/{address}?lang={language}", wrong, **READERS[language])
        yield page
        page.context.close()
    assert not wrong, "\n".join(wrong)


def opened(
    chromium: Browser,
    app: str,
    path: str,
    wrong: list[str],
    *,
    locale: str = "en-US",
    theme: str = "light",
    width: int = 1280,
    script: str = "",
) -> Page:
    """The page at `path` of an app in a fresh browser profile, drawn; `wrong` notes what must never happen.

    `script` runs before the page's own.
    """
    return opened_in(reader(chromium, locale, theme, width), app, path, wrong, script=script)


def reader(chromium: Browser, locale: str, theme: str, width: int) -> BrowserContext:
    """A fresh browser profile."""
    viewport = {"width": width, "height": 900}
    return chromium.new_context(viewport=viewport, locale=locale, color_scheme=theme)


def opened_in(context: BrowserContext, app: str, path: str, wrong: list[str], *, script: str = "") -> Page:
    """The same in a browser profile that is there: what another page of it has loaded is loaded."""
    page = context.new_page()
    if script:
        page.add_init_script(script)
    watch(page, app, wrong)
    page.goto(app + path)
    page.get_by_role("heading", level=1).wait_for(timeout=150_000)
    settle(page)
    return page


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def wait_until_healthy(address: str, process: subprocess.Popen, seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.1)):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the server did not answer")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Closed after each file: while it is open, playwright's event loop keeps asyncio from other tests."""
    path = find_chromium()
    assert path, "no Chromium: `make test` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(server: str, chromium: Browser) -> Iterator[OpenPage]:
    """Opens addresses of the app in fresh browser profiles, and fails on anything that went wrong in them."""
    wrong: list[str] = []
    contexts = []

    def open_at(path: str = "/", **look: Any) -> Page:
        page = opened(chromium, server, path, wrong, **look)
        contexts.append(page.context)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


_SEEN = """([place, index]) => {
    const plot = document.querySelectorAll(`${place} .plot`)[index]
    plot?.scrollIntoView()
    return Boolean(plot?.matches('.js-plotly-plot') || plot?.querySelector('.js-plotly-plot'))
}"""
"""A plot is drawn when it comes near the screen, and is another element after a rerun."""


def see_plot(page: Page, place: str = "", index: int = 0, timeout: float = 60_000) -> None:
    """Scroll to a plot within the selector `place`, and wait until it is drawn."""
    wait_until(page, _SEEN, arg=[place, index], timeout=timeout)


def look_through(page: Page) -> None:
    """Scroll past every plot."""
    settle(page)
    for index in range(page.locator(".plot").count()):
        see_plot(page, index=index)


def watch(page: Page, server: str, wrong: list[str]) -> None:
    """Note requests that leave the machine, errors in the console and failed scripts."""

    def request(sent) -> None:
        if not sent.url.startswith((server, server.replace("http", "ws"), "data:", "blob:")):
            wrong.append(f"request to {sent.url}")

    def console(message) -> None:
        if message.type == "error" and not message.location["url"].endswith(OWN_404):
            wrong.append(f"console: {message.text} {message.location['url']}")

    page.on("request", request)
    page.on("websocket", request)
    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))


def in_menu(page: Page, name: str) -> Locator:
    """The link beside the page; a mark of what was done there may follow its name."""
    return page.get_by_test_id("stSidebarNav").get_by_role("link", name=name)


def written(page: Page) -> str:
    """All that stands in the page, seen or not, but for its styles, which have numbers of their own."""
    return re.sub("<style.*?</style>", "", page.content(), flags=re.DOTALL)


NOTHING_FADES = """document.getAnimations().every(one =>
    one.playState !== "running" || one.effect.getComputedTiming().endTime === Infinity)"""
"""What was stale comes back gradually: half-way its words are too pale to be read."""


def settle(page: Page) -> None:
    """Wait until the app has nothing left to draw."""
    page.wait_for_timeout(200)  # a widget waits this long for more input before it sends
    page.wait_for_selector(
        "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]",
        timeout=90_000,
    )
    expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=90_000)
    wait_until(page, NOTHING_FADES)
    assert page.get_by_test_id("stException").count() == 0


def wait_until(page: Page, expression: str, *, arg: object = None, timeout: float = 90_000) -> None:
    """Wait until a JavaScript expression holds, or a function of `arg`.

    Not `page.wait_for_function`: it evaluates a text within the page, which the app's own policy refuses.
    """
    end = time.monotonic() + timeout / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"not within {timeout / 1000:g} s: {expression}"
        page.wait_for_timeout(20)
