"""Predictions by keyboard in a real Chromium: Enter leads on, nothing typed is lost; then another attempt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import free_port, running_app, settle, wait_until, watch
from tests.browser.test_pages import check_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PATIENCE = 120_000
Q6 = "q06_gqa"


@pytest.fixture
def page(tmp_path: Path, chromium: Browser) -> Iterator[Page]:
    """Question 6 of somebody who comes for the first time."""
    wrong: list[str] = []
    with running_app(tmp_path, free_port()) as address:
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        page = context.new_page()
        watch(page, address, wrong)
        page.goto(f"{address}/{Q6}?lang=en")
        fields(page).first.wait_for(timeout=PATIENCE)
        settle(page)
        yield page
        context.close()
    assert not wrong, "\n".join(wrong)


def form(page: Page, key: str = "q06") -> Locator:
    return page.locator(f".st-key-{key}-predictions")


def fields(page: Page, key: str = "q06") -> Locator:
    return form(page, key).locator("input[type=text]")


def answer(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("Your answer|你对"))


def commit_button(page: Page, key: str = "q06") -> Locator:
    return form(page, key).locator(f".st-key-{key}-predictions-commit button")


def type_predictions(page: Page) -> None:
    """From field to field with Enter alone; the last Enter only reaches the button."""
    fields(page).first.focus()
    page.keyboard.type("1,3×")
    page.keyboard.press("Enter")
    expect(fields(page).nth(1)).to_be_focused()
    page.keyboard.type("-1")
    expect(page.get_by_text("Only a number above 0 is possible here.")).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("1.05")
    expect(page.get_by_text("Only a number above 0 is possible here.")).to_have_count(0, timeout=PATIENCE)
    page.keyboard.press("Enter")
    expect(form(page).get_by_role("radio").first).to_be_focused()
    expect(commit_button(page)).to_have_text("Commit 2, skip 1", timeout=PATIENCE)


def test_predicted_by_keyboard_measured_scored_and_answered_again(page: Page) -> None:
    answer(page).fill("Fewer KV heads")
    expect(page.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)
    type_predictions(page)
    settle(page)
    page.reload()
    expect(fields(page).nth(1)).to_have_value("1.05", timeout=PATIENCE)
    expect(fields(page).first).to_have_value("1,3×")
    settle(page)
    check_page(page)
    fields(page).nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")  # the first choice
    expect(commit_button(page)).to_have_text("Commit 3", timeout=PATIENCE)
    settle(page)
    commit_button(page).focus()
    page.keyboard.press("Enter")
    for said in ("You said 1.3×", "8× too little: you counted one layer.", "You said Plain multi-head"):
        expect(page.get_by_text(said, exact=False).first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("measuring (about")).to_have_count(0, timeout=PATIENCE)
    settle(page)
    keep_and_begin_again(page)


def keep_and_begin_again(page: Page) -> None:
    page.get_by_role("button", name="Open the reference answer").click()
    expect(page.get_by_text("80 is out of reach in this attempt", exact=False)).to_be_visible(
        timeout=PATIENCE
    )
    settle(page)
    found = Axe().run(page, context={"include": [[".st-key-score"], [".st-key-tier-80"]]})
    assert not found.response["violations"], found.generate_report()
    page.get_by_role("button", name="Keep this score").click()
    page.get_by_role("button", name="Answer again").click()
    expect(page.get_by_text("Attempt 2; attempt 1:", exact=False)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("checkbox")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("heading", level=1)).to_be_focused(timeout=PATIENCE)
    wait_until(page, "document.querySelector('[data-testid=stMain]').scrollTop === 0")
    expect(answer(page)).to_have_value("", timeout=PATIENCE)
    expect(fields(page).first).to_have_value("")
    answer(page).fill("Other words")
    expect(page.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)
    expect(answer(page)).to_have_value("Other words")


REFUSED = {
    "many": "This is no number: write it like 3.5, 3,5 or 1,000,000.",
    "2,5": "Only a whole number is possible here.",
    "30000000": "Only a number from 0 to 25,829,888 is possible here.",
}


def type_into(page: Page, index: int, text: str) -> None:
    fields(page, "q02").nth(index).fill(text)
    fields(page, "q02").nth(index).blur()


def give_range(page: Page, low: str, high: str) -> None:
    type_into(page, 0, low)
    type_into(page, 1, high)


def test_each_number_that_is_refused_says_why_and_nothing_is_lost(page: Page) -> None:
    """Several at once, in a range too; the commit brings the focus to the first, and takes none of them."""
    page.goto(re.sub(Q6, "q02_empty_text", page.url))
    fields(page, "q02").first.wait_for(timeout=PATIENCE)
    settle(page)
    commit_button(page, "q02").click()
    expect(page.get_by_text("Fill in at least one field, or skip all.")).to_be_visible()
    expect(fields(page, "q02").first).to_be_focused()
    for index, text in enumerate(REFUSED):
        type_into(page, index, text)
    for index, why in enumerate(REFUSED.values()):
        expect(fields(page, "q02").nth(index)).to_have_accessible_description(f"✗ {why}")
    commit_button(page, "q02").click()
    expect(page.get_by_text("Nothing was committed: a number above cannot be used")).to_be_visible()
    expect(fields(page, "q02").first).to_be_focused()
    type_into(page, 0, "0")
    expect(fields(page, "q02").first).to_have_attribute("aria-invalid", "false")
    commit_button(page, "q02").click()
    expect(fields(page, "q02").nth(1)).to_be_focused()
    page.reload()
    for index, text in enumerate(["0", "2,5", "30000000"]):
        expect(fields(page, "q02").nth(index)).to_have_value(text, timeout=PATIENCE)
    settle(page)
    page.get_by_text("Give a range instead").first.click()
    give_range(page, "20", "")
    expect(page.get_by_text("A range needs both ends.")).to_be_visible()
    give_range(page, "20", "1")
    expect(page.get_by_text("A range begins with the smaller number.")).to_be_visible()
    give_range(page, "1", "20")
    expect(page.get_by_text("A range begins with the smaller number.")).to_have_count(0)
    type_into(page, 2, "")
    type_into(page, 3, "1")
    expect(commit_button(page, "q02")).to_have_text("Commit 2, skip 1", timeout=PATIENCE)
    commit_button(page, "q02").click()
    expect(page.get_by_text("You said 1 weight", exact=False).first).to_be_visible(timeout=PATIENCE)
    settle(page)
