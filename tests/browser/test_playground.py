"""The playground in a real Chromium: type, write, look at alternatives, stop, write again, branch, copy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import READERS, ROOT, OpenPage, settle
from tests.browser.processes import at_a_crawl, web_process, worker_of
from tests.browser.soak import write_once
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(300)

PATIENCE = 90_000
WORDS = {
    "en": {
        "prompt": "Prompt",
        "write": "Write",
        "same": "Again, same seed",
        "new": "Again, new seed",
        "repeated": "token for token",
        "command": "Copy as a command",
        "cut": "cut off",
        "own": "the model's own",
    },
    "zh": {
        "prompt": "提示词",
        "write": "续写",
        "same": "同一种子重写",
        "new": "换个种子重写",
        "repeated": "逐个词元完全一致",
        "command": "复制为命令",
        "cut": "已剔除",
        "own": "模型原本",
    },
}


def button(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=re.compile(f"^{name}"))


def tokens(page: Page) -> Locator:
    return page.locator(".token")


def card(page: Page) -> Locator:
    return page.locator(".card:popover-open")


def text(page: Page) -> str:
    """What was written, without the prompt."""
    return "".join(tokens(page).evaluate_all("nodes => nodes.map(node => node.textContent)"))


def finish(page: Page, words: dict[str, str]) -> None:
    button(page, words["same"]).wait_for(timeout=PATIENCE)
    settle(page)


@pytest.mark.parametrize(
    ("lang", "prompt"),
    [("en", 'The cat\'s "hat"\nwas $5 and'), pytest.param("zh", "从前有一只小猫", marks=pytest.mark.slow)],
)
def test_type_write_look_repeat_and_copy(open_page: OpenPage, lang: str, prompt: str) -> None:
    words, width = WORDS[lang], READERS[lang]["width"]
    page = open_page("/playground?playground_max_new_tokens=40&playground_top_p=0.5", **READERS[lang])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("textbox", name=words["prompt"]).fill(prompt)
    button(page, words["write"]).click()  # at once: what was typed last has to count
    finish(page, words)
    written = text(page)
    assert written and page.locator(".prompt").inner_text() == prompt
    check_page(page)
    tokens(page).nth(6).hover() if width > 400 else tokens(page).nth(6).click()
    expect(card(page)).to_contain_text(words["own"])
    assert card(page).locator(".row:not(.head)").count() >= 6
    assert re.search(r"\d%", card(page).inner_text()) and words["cut"] in card(page).inner_text()
    box = card(page).bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width
    check_page(page)
    page.get_by_role("heading", level=1).click()
    expect(card(page)).to_have_count(0)
    button(page, words["same"]).click()
    page.get_by_text(words["repeated"]).wait_for(timeout=PATIENCE)
    assert text(page) == written
    page.get_by_text(words["command"]).click()
    assert run(copied(page))["text"] == written
    button(page, words["new"]).click()
    expect(page.get_by_text(words["repeated"])).to_have_count(0, timeout=PATIENCE)
    finish(page, words)
    assert text(page) != written and "playground_seed=" in page.url


def copied(page: Page) -> str:
    code = page.get_by_test_id("stCode")
    button_that_copies = code.get_by_role("button").first
    for _ in range(20):  # the expander still opens, and moves away from under the mouse
        page.mouse.move(0, 0)
        code.hover()
        page.wait_for_timeout(250)
        if button_that_copies.is_visible():
            break
    button_that_copies.click()
    return page.evaluate("navigator.clipboard.readText()")


def run(command: str) -> dict:
    assert command.startswith("python -m minimind_core generate ")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", f"{command} --json"],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_text_grows_in_place_and_stops(open_page: OpenPage, server: str) -> None:
    words = WORDS["en"]
    page = open_page("/playground?playground_max_new_tokens=150")
    write_once(server)
    stop = button(page, "Stop$")
    with at_a_crawl(worker_of(web_process(server))):
        button(page, "Write").click()
        tokens(page).first.wait_for(timeout=PATIENCE)
        tokens(page).first.evaluate("node => { node.marked = true }")
        early = tokens(page).count()
    finish(page, words)
    whole = text(page)
    assert early < tokens(page).count()
    assert tokens(page).first.evaluate("node => node.marked"), "the text was drawn anew"
    with at_a_crawl(worker_of(web_process(server))):
        button(page, "Write").click()
        stop.click(timeout=PATIENCE)
        expect(stop).to_have_count(0, timeout=30_000)
    finish(page, words)
    part = text(page)
    assert len(part) < len(whole) and whole.startswith(part)


@pytest.mark.slow
def test_branch_with_the_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page("/playground?playground_max_new_tokens=20")
    page.get_by_role("textbox", name="Prompt").press("Control+Enter")
    finish(page, WORDS["en"])
    tokens(page).first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(card(page)).to_be_visible()
    kept = [token.inner_text() for token in tokens(page).all()[:3]]
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    chosen = card(page).locator("button.row:focus .name").inner_text()
    page.keyboard.press("Enter")
    page.locator(".by-hand").wait_for(timeout=PATIENCE)
    finish(page, WORDS["en"])
    assert [token.inner_text() for token in tokens(page).all()[:3]] == kept
    assert tokens(page).nth(3).text_content().replace(" ", "␣") == chosen
    tokens(page).nth(3).focus()
    expect(card(page)).to_contain_text("You chose this one")
    page.keyboard.press("Escape")
    expect(card(page)).to_have_count(0)


@pytest.mark.slow
def test_a_typed_checkpoint_that_is_not_there_is_one_sentence(open_page: OpenPage) -> None:
    page = open_page("/playground?playground_max_new_tokens=5")
    button(page, "All settings").click()
    checkpoint = page.get_by_role("combobox", name="Checkpoint")
    checkpoint.fill("/no/such/folder")
    checkpoint.press("Enter")
    settle(page)
    page.keyboard.press("Escape")
    button(page, "Write").click()
    page.get_by_text("There is no checkpoint at '/no/such/folder'").wait_for(timeout=PATIENCE)


def test_what_is_typed_survives_a_reload_in_its_tab(open_page: OpenPage) -> None:
    page = open_page("/playground?lang=en")
    field = page.get_by_role("textbox", name="Prompt")
    expect(field).to_have_value("Once upon a time")
    field.fill("A fox, half written")
    page.reload()
    expect(field).to_have_value("A fox, half written", timeout=PATIENCE)
    settle(page)
    button(page, "def add").click()
    expect(field).to_have_value("def add(a, b):", timeout=PATIENCE)
    settle(page)
    page.reload()
    expect(field).to_have_value("def add(a, b):", timeout=PATIENCE)
    settle(page)
    page.goto(page.url.partition("?")[0] + "?lang=en&playground_prompt=Linked")
    expect(field).to_have_value("Linked", timeout=PATIENCE)
