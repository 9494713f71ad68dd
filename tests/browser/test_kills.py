"""Kill -9 in a loop while somebody types: an answer on its page, a candidate in the middle of an interview.

Both go on typing while the server is down. What the browser holds and what the store has are one text in the
end, and nothing is there twice.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from questions import load_question
from study import interview as led
from study.store import Store, open_store
from tests.browser.conftest import free_port, running_app, settle
from tests.browser.processes import web_process
from tests.browser.test_interview import begun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 3
PATIENCE = 90_000
Q12 = load_question("q12_kv_cache")


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("Your answer"))


def type_on(page: Page, text: str) -> None:
    """As fingers do, at the end of what is there."""
    field(page).press("Control+End")
    page.keyboard.type(text)


def wait_for(page: Page, text: str) -> None:
    """The field has all of it, and the page is at peace with the server."""
    expect(field(page)).to_have_value(text, timeout=PATIENCE)
    settle(page)


def newest(store: Store, profile: str) -> tuple[str, str]:
    """The answer, and what the candidate wrote, as the store has them."""
    answer = store.drafts.get(profile, Q12.key, "answer")
    [interview] = store.interviews.of(profile)
    drafts = store.interviews.events(interview, kinds=[led.DRAFT])
    return answer.text if answer else "", drafts[-1].data["text"] if drafts else ""


def test_typing_goes_on_through_one_kill_after_the_other(chromium: Browser, tmp_path: Path) -> None:
    port, typed = free_port(), ""
    store = open_store(f"sqlite:///{tmp_path}/study.sqlite3")
    interview = begun(store)
    store.interviews.add(interview, led.CONSENTED)
    context = chromium.new_context(locale="en-US")
    page, candidate = context.new_page(), context.new_page()
    for number in range(ROUNDS + 1):
        with running_app(tmp_path, port) as address:
            if not number:
                page.goto(f"{address}/{Q12.slug}?lang=en")
                candidate.goto(f"{address}/present?link={interview.link}&lang=en")
                field(candidate).wait_for(timeout=PATIENCE)
            for window in (page, candidate):
                wait_for(window, typed)
                type_on(window, f"round {number}, ")
            typed += f"round {number}, "
            if number % 2 or number == ROUNDS:  # else it falls between two keys
                for window in (page, candidate):
                    expect(window.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)
            if number == ROUNDS:
                break
            server = web_process(address)
            os.kill(server.pid, signal.SIGKILL)
            server.wait(10)
        for window in (page, candidate):
            type_on(window, "while it was down, ")
        typed += "while it was down, "
    assert newest(store, interview.profile) == (typed, typed)
    [kept] = store.interviews.of(interview.profile)
    assert kept.finished is None and not list(tmp_path.glob("*damaged*"))
    context.close()
    store.close()
