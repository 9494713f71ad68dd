"""The app survives: visitors who come all at once, workers and servers that are killed, cancels at any time.

What one person sees goes through a real Chromium, the crowd through websockets. `make soak` does it for
minutes. Running out of memory and hanging are planted in the runner's own tests
(`tests/labs/runner/test_survival.py`), as no lab of the app can be made to do them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from websockets.exceptions import ConnectionClosed

from labs.q13_sampling.next_token import PROMPT
from tests.browser import soak
from tests.browser.conftest import free_port, running_app, settle, wait_until
from tests.browser.processes import at_a_crawl, web_process, worker_of

pytestmark = pytest.mark.timeout(300)

PATIENCE = 90_000
SLOWEST_REDRAW = 2.0
"""Seconds, p95, also on a machine that tests keep busy; `make bench` has the real budget."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("survival")
    soak.open_the_labs(folder)
    with running_app(folder, free_port()) as address:
        yield address


@pytest.fixture
def page(address: str, chromium: Browser) -> Iterator[Page]:
    """Question 13 in Chinese, with a long text ahead."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{address}/q13_sampling?lang=zh&q13_max_new_tokens=400")
    write(page).wait_for(timeout=PATIENCE)
    settle(page)
    yield page
    context.close()


def write(page: Page) -> Locator:
    return page.get_by_role("button", name="生成", exact=True)


def stop(page: Page) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name="停止", exact=True)


def written(page: Page) -> Locator:
    """What the model has written on from the prompt, once it has."""
    return page.locator(".sample").filter(has_text=re.compile(f"^{PROMPT}."))


@pytest.mark.slow
def test_twenty_visitors_who_start_labs_at_once_are_all_served(address: str) -> None:
    seen = soak.rush(address)
    assert seen["result"] == soak.VISITORS, seen
    assert seen["first position"] + seen["first running"] >= soak.VISITORS // 2, seen
    print(dict(seen))


def test_a_killed_worker_is_a_sentence_and_every_state_can_be_cancelled(page: Page, address: str) -> None:
    server = web_process(address)
    soak.write_once(address)
    killed = worker_of(server)
    with at_a_crawl(killed):
        write(page).click()
        written(page).wait_for(timeout=PATIENCE)
        killed.kill()
        expect(page.get_by_role("alert")).to_contain_text("工作进程被系统杀掉了", timeout=PATIENCE)
        settle(page)
    fresh = worker_of(server)
    assert fresh.pid != killed.pid
    with at_a_crawl(fresh):
        write(page).click()  # it waits for the fresh worker
        cancel(page)
    soak.write_once(address)
    with at_a_crawl(worker_of(server)):
        write(page).click()  # it runs
        written(page).wait_for(timeout=PATIENCE)
        cancel(page)
    soak.write_once(address)
    with soak.long_run(address, worker_of(server)):
        write(page).click()  # it waits behind another visitor's
        expect(stop(page)).to_be_visible(timeout=PATIENCE)
        cancel(page)
    soak.write_once(address)


def cancel(page: Page) -> None:
    """The button disappears at once, and nothing is wrong."""
    stop(page).click(timeout=PATIENCE)
    expect(stop(page)).to_have_count(0, timeout=30_000)
    settle(page)
    assert page.get_by_role("alert").count() == 0


@pytest.mark.slow
def test_sliders_move_beside_a_long_run(address: str) -> None:
    times = soak.redraws(address, 20)
    print(f"slider beside a long run: p95 {soak.p95(times):.2f} s")
    assert soak.p95(times) <= SLOWEST_REDRAW


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the control of this name has the focus."""
    for _ in range(150):
        page.keyboard.press(key)
        focused = page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
        )
        if re.fullmatch(name, focused.strip()):
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_a_lab_is_run_and_stopped_by_keyboard_alone(page: Page, address: str) -> None:
    soak.write_once(address)
    before = page.url
    tab_to(page, "温度")
    page.keyboard.press("ArrowRight")
    wait_until(page, "before => location.href !== before", arg=before)
    settle(page)
    tab_to(page, "生成")
    with at_a_crawl(worker_of(web_process(address))):
        page.keyboard.press("Enter")
        written(page).wait_for(timeout=PATIENCE)
        expect(stop(page)).to_be_visible(timeout=PATIENCE)
        tab_to(page, "停止")
        page.keyboard.press("Enter")
        expect(stop(page)).to_have_count(0, timeout=30_000)
    settle(page)
    expect(written(page)).to_be_visible()


@pytest.mark.slow  # quick in `tests/labs/runner/test_parent_death.py`, with a stand-in for the app
def test_kill_9_of_the_server_leaves_no_process(tmp_path: Path) -> None:
    soak.open_the_labs(tmp_path)
    with running_app(tmp_path, free_port()) as address:
        server = web_process(address)
        soak.write_once(address)
        with contextlib.suppress(ConnectionClosed), soak.long_run(address, worker_of(server)):
            family = [server, *server.children(recursive=True)]
            assert len(family) > 1
            os.kill(server.pid, signal.SIGKILL)
            server.wait(10)
            end = time.monotonic() + 10
            while (left := [one for one in family if alive(one)]) and time.monotonic() < end:
                time.sleep(0.05)
            assert not left


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
