"""A mock interview in a real Chromium, by keyboard alone, with a server that is killed in the middle."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
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


def whole(key: str, lang: str) -> str:
    """The words of a button and nothing else, as a pattern."""
    return f"^{re.escape(catalogue(lang)[key])}$"


def nothing_given_away(page: Page, lang: str) -> None:
    assert SPOKEN[lang] not in page.evaluate("document.body.textContent")


@pytest.mark.parametrize(("first", "then"), [("en", "zh"), pytest.param("zh", "en", marks=pytest.mark.slow)])
def test_an_interview_outlives_a_killed_server_and_a_lost_browser(
    chromium: Browser, tmp_path: Path, first: str, then: str
) -> None:
    port, word = free_port(), catalogue(first).__getitem__
    shapes, heads, down = "Shapes first.", "Fewer KV heads, ", "said while it was down."
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    with running_app(tmp_path, port) as address:
        page.goto(f"{address}/mock?lang={first}")
        page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
        settle(page)
        page.get_by_text(word("mock.by_hand")).click()
        settle(page)
        page.get_by_role("combobox").fill("Q5")
        page.keyboard.press("Enter")
        page.get_by_role("combobox").fill("Q6")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        press(page, whole("mock.begin", first))
        page.get_by_role("heading", name=load_question("q05_shapes").title[first]).wait_for(timeout=PATIENCE)
        say(page, shapes, word("draft.saved"))
        press(page, re.escape(word("mock.next")))
        page.get_by_role("heading", name=Q6.title[first]).wait_for(timeout=PATIENCE)
        check_page(page)
        say(page, heads, word("draft.saved"))
        server = web_process(address)
        os.kill(server.pid, signal.SIGKILL)
        server.wait(10)
        page.keyboard.insert_text(down)
    with running_app(tmp_path, port):
        expect(page.get_by_text(word("draft.saved"))).to_be_visible(timeout=PATIENCE)
        settle(page)
        nothing_given_away(page, first)
        context.close()
        page = end_in_another_browser(chromium, address, heads + down, then)
        page.context.close()
    kept = open_store(f"sqlite:///{tmp_path}/study.sqlite3")
    attempts = {each.question: each for each in kept.attempts.of(kept.profiles.named()[0].id)}
    kept.close()
    assert attempts["q05"].text == shapes and attempts["q05"].tier is None
    assert attempts["q06"].text == heads + down and attempts["q06"].tier == 40


def end_in_another_browser(chromium: Browser, address: str, text: str, lang: str) -> Page:
    """On a dark phone: the same question, the whole text; the end, a score, and the report."""
    context = chromium.new_context(viewport={"width": 390, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/mock?lang={lang}")
    page.get_by_role("heading", name=Q6.title[lang]).wait_for(timeout=PATIENCE)
    field = page.get_by_role("textbox", name=re.compile("Your answer|你对"))
    expect(field).to_have_value(text, timeout=PATIENCE)
    press(page, whole("mock.finish", lang))
    check_page(page)
    press(page, whole("mock.finish_now", lang))
    page.get_by_role("radio", name=re.compile("Q6")).wait_for(timeout=PATIENCE)
    page.get_by_role("radio", name=re.compile("Q6")).press("Space")
    page.get_by_role("heading", name=Q6.title[lang]).wait_for(timeout=PATIENCE)
    settle(page)
    nothing_given_away(page, lang)
    press(page, whole("predict.skip", lang))
    page.locator(".st-key-spoken").wait_for(timeout=PATIENCE)
    wait_until(page, "text => document.body.textContent.includes(text)", arg=SPOKEN[lang])
    page.get_by_test_id("stMain").get_by_role("checkbox").first.press("Space")
    settle(page)
    check_page(page)
    press(page, whole("score.keep", lang))
    with page.expect_download(timeout=PATIENCE) as download:
        page.get_by_role("button", name=re.compile("Markdown")).click()
    report = Path(download.value.path()).read_text(encoding="utf-8")
    assert text in report and catalogue(lang)["mock.title"] in report and "| 40 |" in report
    return page
