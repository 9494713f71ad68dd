"""Measures what the web shell promises (README, "Tests"), in a real Chromium against a real server.

    python -m tests.browser.bench          on an otherwise idle machine

Prints one line a promise: median, 95th percentile, budget. Other visitors are played by websocket
clients that move a slider about once a second, as nine more browsers would measure the browsers. Times are
taken inside the page, from the event to the frame: playwright itself looks too seldom.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, find_chromium
from tests.browser.conftest import MODEL, ROOT, free_port, in_menu, server_command, wait_until_healthy
from tests.browser.sessions import Session
from tests.browser.soak import open_the_labs

OTHERS = 9
ROUNDS = 20
STARTS = 5
READY = ".st-key-first [data-testid=stBaseButton-primary]"
"""The first page can be used when its first button can be pressed."""
TITLE = "() => document.querySelector('h1')?.innerText || undefined"
BARS = """() => {
  const bars = document.querySelector('.js-plotly-plot')?.querySelectorAll('.bars')
  return bars && [...bars].map(each => each.innerHTML).join() // those for T = 1 never move
}"""


BARE = """import streamlit as st
with st.container(key="first"):
    st.button("Start", type="primary")
"""
"""What Streamlit itself takes: a page with nothing but the button that is waited for."""


@contextlib.contextmanager
def running_server(folder: str, script: str = "app.py") -> Iterator[tuple[str, psutil.Process, float]]:
    """A server with its address, process and the moment it was started."""
    port = free_port()
    open_the_labs(Path(folder))
    environment = os.environ | {
        "MINIMIND_LAB_CACHE": folder,
        "TMPDIR": folder,
        "MINIMIND_DATA": folder,
        "MINIMIND_TOKEN": "off",
        "MINIMIND_MODEL": os.environ.get("MINIMIND_MODEL", MODEL),
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        server_command(script, port),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    wait_until_healthy(address, process)
    try:
        yield address, psutil.Process(process.pid), began
    finally:
        everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.terminate()
        process.wait(10)
        psutil.wait_procs(everyone, 10)  # a worker that still unloads would slow the next start


def report(name: str, seconds: list[float], budget: float, *, percentile: float = 0.95) -> None:
    """One line; the budget is for the percentile."""
    worst = sorted(seconds)[math.ceil(percentile * len(seconds)) - 1]  # the nearest rank
    verdict = "met" if worst <= budget else "MISSED"
    print(
        f"{name:58} median {statistics.median(seconds):6.2f} s   p95 {worst:6.2f} s   "
        f"budget {budget:5.2f} s   {verdict}",
        flush=True,
    )


def first_page(page: Page, address: str, began: float) -> float:
    """Seconds from the command to a usable first page."""
    page.goto(f"{address}/?lang=en", wait_until="commit")
    page.locator(READY).wait_for(timeout=60_000)
    return time.perf_counter() - began


def start_up(page: Page, address: str, began: float) -> tuple[float, float]:
    """Seconds from the command to a usable first page, and to a ready model."""
    usable = first_page(page, address, began)
    page.get_by_text("●").first.wait_for(timeout=120_000)
    page.get_by_text("The labs run on").wait_for(timeout=120_000)
    return usable, time.perf_counter() - began


def seconds_until(page: Page, act: Callable[[], None], event: str, shown: str) -> float:
    """From the browser's event that `act` causes to the first frame in which `shown` gives another value."""
    page.evaluate(f"""() => {{ const shown = {shown}, before = shown(); window.seconds = new Promise(done =>
        addEventListener("{event}", begun => requestAnimationFrame(function look(now) {{
            if (![before, undefined].includes(shown())) done((now - begun.timeStamp) / 1000)
            else requestAnimationFrame(look)
        }}), {{ capture: true, once: true }})) }}""")
    act()
    return page.evaluate("window.seconds")


def switches(page: Page) -> list[float]:
    """Seconds from a click in the sidebar to the other page's title; starts and ends at home."""
    times = []
    for _ in range(ROUNDS):
        for name in ("Q13 Temperature and top-p", "Home"):
            link = in_menu(page, name)
            times.append(seconds_until(page, link.click, "click", TITLE))
            page.wait_for_timeout(300)
    return times


def slides(page: Page) -> list[float]:
    """Seconds from a key press on a slider to bars that have changed."""
    slider = page.get_by_role("slider", name="Temperature").first
    times = []
    for turn in range(ROUNDS):
        key = "ArrowRight" if turn % 2 else "ArrowLeft"
        times.append(seconds_until(page, lambda key=key: slider.press(key), "keydown", BARS))
        page.wait_for_timeout(400)
    return times


class Visitor(threading.Thread):
    """Another session that moves the temperature slider about once a second until told to stop."""

    def __init__(self, address: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._address, self._stop_event = address, stop

    def run(self) -> None:
        with Session(self._address, "q13_sampling", lang="en") as session:
            session.wait()
            while not self._stop_event.wait(random.uniform(0.7, 1.3)):
                session.slide("q13_temperature", round(random.uniform(0.2, 2.0), 2))


def report_starts(browser: Browser, folder: str) -> None:
    """Starts of ours, and in turn of a page that has nothing of ours, for what the machine itself takes."""
    starts, bare = [], []
    script = Path(folder, "bare.py")
    script.write_text(BARE)
    for _ in range(STARTS):
        with running_server(folder) as (address, _, began), browser.new_page() as page:
            starts.append(start_up(page, address, began))  # closed: a page left open looks for its server
        with running_server(folder, str(script)) as (address, _, began), browser.new_page() as page:
            bare.append(first_page(page, address, began))
    report("streamlit run → first page usable", [usable for usable, _ in starts], 3)
    ratios = [usable / alone for (usable, _), alone in zip(starts, bare, strict=True)]
    print(
        f"  Streamlit with one button alone: median {statistics.median(bare):.2f} s; ours takes "
        f"{statistics.median(ratios):.2f} × as long [{min(ratios):.2f}–{max(ratios):.2f}]"
    )
    report("streamlit run → model ready", [ready for _, ready in starts], 12)


def main() -> None:
    """All promises of the web shell, one after the other."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    path = find_chromium()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        report_starts(browser, folder)
        with running_server(folder) as (address, process, began):
            page = browser.new_page()
            start_up(page, address, began)
            page.wait_for_timeout(5_000)
            report("page switch, alone", switches(page), 0.4)
            in_menu(page, "Q13 Temperature and top-p").click()
            page.get_by_role("slider", name="Temperature").first.scroll_into_view_if_needed()
            page.locator(".js-plotly-plot .bars").first.wait_for()
            report("slider → redrawn plot, alone", slides(page), 0.2)
            stop = threading.Event()
            visitors = [Visitor(address, stop) for _ in range(OTHERS)]
            for visitor in visitors:
                visitor.start()
            page.wait_for_timeout(4_000)
            report(f"slider → redrawn plot, {OTHERS} other sessions", slides(page), 0.3)
            in_menu(page, "Home").click()
            page.get_by_role("heading", level=1, name="MiniMind Interview Lab").wait_for()
            report(f"page switch, {OTHERS} other sessions", switches(page), 0.4)
            stop.set()
            size = process.memory_info().rss / 2**20
            print(f"web process {size:.0f} MB   budget 350 MB   {'met' if size <= 350 else 'MISSED'}")
        browser.close()


if __name__ == "__main__":
    main()
