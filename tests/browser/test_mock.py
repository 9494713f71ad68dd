"""A mock interview in a real Chromium, by keyboard alone, with a server that is killed in the middle."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from questions import load_question
from study.store import open_store
from tests.browser.conftest import free_port, running_app, settle, wait_until
from tests.browser.processes import web_process
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000
Q6 = load_question("q06_gqa")
SPOKEN = {lang: Q6.prose[lang].spoken.split("{")[0].strip()[24:48] for lang in ("en", "zh")}


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control of this name has the focus; a field of ours lies below a shadow root."""
    focused = """() => {
        let on = document.activeElement
        while (on?.shadowRoot?.activeElement) on = on.shadowRoot.activeElement
        return on.getAttribute('aria-label') || on.textContent }"""
    for _ in range(80):
        page.keyboard.press("Tab")
        if re.search(name, page.evaluate(focused).strip()):
            return
    raise AssertionError(f"Tab never comes to {name}")


def press(page: Page, name: str) -> None:
    settle(page)
    tab_to(page, name)
    page.keyboard.press("Enter")
    settle(page)


def say(page: Page, text: str, saved: str) -> None:
    tab_to(page, "Your answer|你对")
    page.keyboard.insert_text(text)
    expect(page.get_by_text(saved)).to_be_visible(timeout=PATIENCE)


def nothing_given_away(page: Page, lang: str) -> None:
    assert SPOKEN[lang] not in page.evaluate("document.body.textContent")


def test_an_interview_outlives_a_killed_server_and_a_lost_browser(chromium: Browser, tmp_path: Path) -> None:
    port, first, second = free_port(), "Shapes first.", "Fewer KV heads, "
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    with running_app(tmp_path, port) as address:
        page.goto(f"{address}/mock?lang=en")
        page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
        settle(page)
        page.get_by_text("Chosen by hand").click()
        settle(page)
        page.get_by_role("combobox").fill("Q5")
        page.keyboard.press("Enter")
        page.get_by_role("combobox").fill("Q6")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        press(page, "^Begin$")
        page.get_by_role("heading", name=load_question("q05_shapes").title["en"]).wait_for(timeout=PATIENCE)
        say(page, first, "Saved on this machine")
        press(page, "Next")
        page.get_by_role("heading", name=Q6.title["en"]).wait_for(timeout=PATIENCE)
        check_page(page)
        say(page, second, "Saved on this machine")
        server = web_process(address)
        os.kill(server.pid, signal.SIGKILL)
        server.wait(10)
        page.keyboard.insert_text("said while it was down.")
    with running_app(tmp_path, port):
        expect(page.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)
        settle(page)
        nothing_given_away(page, "en")
        context.close()
        page = end_in_another_browser(chromium, address, second + "said while it was down.")
        page.context.close()
    kept = open_store(f"sqlite:///{tmp_path}/study.sqlite3")
    attempts = {each.question: each for each in kept.attempts.of(kept.profiles.named()[0].id)}
    kept.close()
    assert attempts["q05"].text == first and attempts["q05"].tier is None
    assert attempts["q06"].text == second + "said while it was down." and attempts["q06"].tier == 40


def end_in_another_browser(chromium: Browser, address: str, text: str) -> Page:
    """On a dark phone in Chinese: the same question, the whole text; the end, and a score."""
    context = chromium.new_context(viewport={"width": 390, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/mock?lang=zh")
    page.get_by_role("heading", name=Q6.title["zh"]).wait_for(timeout=PATIENCE)
    expect(page.get_by_role("textbox", name=re.compile("你对"))).to_have_value(text, timeout=PATIENCE)
    press(page, "^结束面试$")
    check_page(page)
    press(page, "^确定结束$")
    page.get_by_role("radio", name=re.compile("Q6")).wait_for(timeout=PATIENCE)
    page.get_by_role("radio", name=re.compile("Q6")).press("Space")
    page.get_by_role("heading", name=re.compile(re.escape(Q6.title["zh"]))).wait_for(timeout=PATIENCE)
    settle(page)
    nothing_given_away(page, "zh")
    press(page, "^全部跳过$")
    page.locator(".st-key-spoken").wait_for(timeout=PATIENCE)
    wait_until(page, "text => document.body.textContent.includes(text)", arg=SPOKEN["zh"])
    page.get_by_test_id("stMain").get_by_role("checkbox").first.press("Space")
    settle(page)
    check_page(page)
    press(page, "^记下这个分数$")
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_role("button", name=re.compile("Markdown")).click()
    report = Path(download.value.path()).read_text(encoding="utf-8")
    assert text in report and "模拟面试" in report and "| 40 |" in report
    return page
