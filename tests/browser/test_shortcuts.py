"""The keys, in a real Chromium: each goes where the list says, and none acts while somebody types."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, settle, wait_until

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000
FOCUSED = """(() => {
    let on = document.activeElement
    while (on?.shadowRoot?.activeElement) on = on.shadowRoot.activeElement
    return on
})()"""


def leave_field(page: Page) -> None:
    page.evaluate(f"{FOCUSED}.blur()")


def test_the_keys_do_what_their_list_says_and_nothing_while_typing(open_page: OpenPage) -> None:
    page = open_page("/q01_loss_mask")
    answer = page.get_by_role("textbox", name=re.compile("Your answer"))
    answer.wait_for(timeout=PATIENCE)
    settle(page)
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(shown.get_by_role("row")).to_have_count(7, timeout=PATIENCE)
    page.keyboard.press("j")  # not while the list is read
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    wait_until(page, f"{FOCUSED}.closest('dialog') === null")  # the focus goes back a moment later
    page.keyboard.press("a")
    expect(answer).to_be_focused(timeout=PATIENCE)
    page.keyboard.type("jskx?")
    expect(answer).to_have_value("jskx?")
    leave_field(page)
    page.keyboard.press("Control+j")
    page.keyboard.press("s")
    wait_until(page, f"{FOCUSED}.closest('.st-key-search') !== null", timeout=PATIENCE)
    leave_field(page)
    page.keyboard.press("j")
    page.wait_for_url("**/q02_empty_text?**", timeout=PATIENCE)
    settle(page)
    page.keyboard.press("k")
    page.wait_for_url("**/q01_loss_mask?**", timeout=PATIENCE)
    expect(answer).to_have_value("jskx?", timeout=PATIENCE)


@pytest.mark.slow
def test_keys_that_are_turned_off_stay_off(open_page: OpenPage) -> None:
    page = open_page("/q01_loss_mask?lang=zh")
    page.get_by_role("button", name="键盘快捷键").click(timeout=PATIENCE)
    page.get_by_role("checkbox", name="启用快捷键").uncheck()
    page.get_by_role("button", name="关闭").click()
    page.reload()
    page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
    settle(page)
    page.keyboard.press("j")
    page.keyboard.press("?")
    opened = page.get_by_role("dialog", name="键盘快捷键")
    expect(opened).to_have_count(0)
    page.get_by_role("button", name="键盘快捷键").click(timeout=PATIENCE)
    expect(page.get_by_role("checkbox", name="启用快捷键")).not_to_be_checked()
    assert "/q01_loss_mask" in page.url
