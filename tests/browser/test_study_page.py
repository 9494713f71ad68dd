"""What a person must never lose, in a real Chromium: a draft, the way by keyboard, a calm page.

All tests share one profile, so each has a question of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import OpenPage, free_port, running_app, settle
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000
FIRST, SECOND = "Softmax of a row, ", "then renormalise. 重新归一 👍"


def answer(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("Your answer|你对"))


def reload(page: Page) -> None:
    page.reload()
    answer(page).wait_for(timeout=PATIENCE)


def test_a_draft_survives_f5_a_fast_click_away_and_a_second_tab(open_page: OpenPage, server: str) -> None:
    page = open_page("/q02_empty_text?lang=en")
    answer(page).click()
    page.keyboard.type(FIRST)
    reload(page)
    expect(answer(page)).to_have_value(FIRST)
    settle(page)
    answer(page).press("Control+End")
    page.keyboard.insert_text(SECOND)
    page.get_by_role("button", name="Q3").click()
    page.wait_for_url("**/q03_vocabulary?**", timeout=PATIENCE)
    expect(answer(page)).to_have_value("")
    page.get_by_role("button", name="Q2").click()
    page.wait_for_url("**/q02_empty_text?**", timeout=PATIENCE)
    expect(answer(page)).to_have_value(FIRST + SECOND, timeout=PATIENCE)
    other = page.context.new_page()
    other.goto(f"{server}/q02_empty_text?lang=en")
    expect(answer(other)).to_have_value(FIRST + SECOND, timeout=PATIENCE)
    answer(other).press("Control+End")
    other.keyboard.type(" More.")
    expect(answer(page)).to_have_value(f"{FIRST}{SECOND} More.")
    expect(other.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)


def test_nothing_is_sent_while_an_input_method_composes(open_page: OpenPage) -> None:
    page = open_page("/q04_long_text?lang=zh", locale="zh-CN")
    answer(page).click()
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    page.wait_for_timeout(900)
    expect(page.get_by_text("正在保存")).to_be_visible()
    session.send("Input.insertText", {"text": "你好"})
    expect(page.get_by_text("已保存在本机")).to_be_visible(timeout=PATIENCE)
    expect(answer(page)).to_have_value("你好")


def begin(page: Page, address: str) -> None:
    """Type the beginning of an answer."""
    page.goto(f"{address}/q12_kv_cache?lang=en")
    answer(page).wait_for(timeout=PATIENCE)
    settle(page)
    answer(page).click()
    page.keyboard.type(FIRST)


def test_a_draft_survives_a_server_restart(tmp_path, chromium: Browser) -> None:
    port = free_port()
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    with running_app(tmp_path, port) as address:
        begin(page, address)
        expect(page.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)
    page.keyboard.type("typed while it was down")
    page.wait_for_timeout(600)  # it is sent in vain, and then leaving the field must not end the trying
    answer(page).blur()
    with running_app(tmp_path, port) as address:
        expect(page.get_by_text("Saved on this machine")).to_be_visible(timeout=PATIENCE)
        elsewhere = chromium.new_context(locale="en-US").new_page()
        elsewhere.goto(f"{address}/q12_kv_cache?lang=en")
        expect(answer(elsewhere)).to_have_value(f"{FIRST}typed while it was down", timeout=PATIENCE)
        elsewhere.context.close()
        context.close()


def test_typing_goes_on_while_the_store_is_away_and_a_lost_database_costs_no_text(
    tmp_path: Path, chromium: Browser
) -> None:
    port, database, aside = free_port(), tmp_path / "study.sqlite3", tmp_path / "aside"
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    saved = page.get_by_text("Saved on this machine")
    with running_app(tmp_path, port) as address:
        begin(page, address)
        expect(saved).to_be_visible(timeout=PATIENCE)
        database.rename(aside)
        database.mkdir()  # neither read nor written from now on
        page.keyboard.type("typed while it was away, ")
        expect(page.get_by_text("cannot be opened").first).to_be_visible(timeout=PATIENCE)
        page.keyboard.type("and seen to be")
        expect(page.get_by_text("Saving …")).to_be_visible()
        away = context.new_page()
        away.goto(f"{address}/q12_kv_cache?lang=en")
        text = f"{FIRST}typed while it was away, and seen to be"
        expect(answer(away)).to_have_value(text, timeout=PATIENCE)
        away.close()
        database.rmdir()
        aside.rename(database)
        expect(saved).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("cannot be opened")).to_have_count(0)
        elsewhere = chromium.new_context(locale="en-US").new_page()
        elsewhere.goto(f"{address}/q12_kv_cache?lang=en")
        expect(answer(elsewhere)).to_have_value(text, timeout=PATIENCE)
        elsewhere.context.close()
        page.goto("about:blank")
    for path in tmp_path.glob("study.sqlite3*"):
        path.unlink()
    with running_app(tmp_path, port) as address:
        page.goto(f"{address}/q12_kv_cache?lang=en")
        expect(page.get_by_text("This browser still holds an answer")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text(text)).to_be_visible()
        expect(answer(page)).to_have_value("")
        page.get_by_role("button", name="Put it into the field").click()
        expect(answer(page)).to_have_value(text)
        expect(saved).to_be_visible(timeout=PATIENCE)
        context.close()


def test_a_question_is_answered_and_scored_by_keyboard(open_page: OpenPage) -> None:
    page = open_page("/q13_sampling?lang=en")
    answer(page).focus()
    page.keyboard.type("c r fewer heads")  # c and r alone are Streamlit's shortcuts
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=re.compile("the clock"))).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Open hint 1 of 3")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Open hint 2 of 3")).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.get_by_role("button", name="Skip all").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Open the reference answer").focus(timeout=PATIENCE)
    settle(page)
    page.keyboard.press("Enter")
    box = page.get_by_role("checkbox").first
    box.wait_for(timeout=PATIENCE)
    settle(page)
    box.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name="40 of 100")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Help used: Hint 1.")).to_be_visible()
    expect(page.locator(".rail-mine")).to_contain_text("c r fewer heads")
    check_page(page)


def test_an_open_reference_is_calm_on_a_phone_in_the_dark(open_page: OpenPage) -> None:
    page = open_page("/q07_rope?lang=zh", locale="zh-CN", theme="dark", width=390)
    page.get_by_role("button", name="全部跳过").click()
    page.get_by_role("button", name="打开参考答案").click()
    page.get_by_role("checkbox").first.wait_for(timeout=PATIENCE)
    settle(page)
    check_page(page)
