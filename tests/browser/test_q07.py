"""Question 7 in a real Chromium: the lock, three numbers, a rotation run by keyboard, a phone in the dark."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, look_through, settle
from tests.browser.test_pages import check_page, open_experiments, skip_predictions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

Q7 = "/q07_rope"
PATIENCE = 240_000
"""Milliseconds for the length bench, which reads fifty thousand tokens politely beside other tests."""
TITLES = {"en": ("Rotation microscope", "Length bench"), "zh": ("旋转显微镜", "长度测试台")}


def lab(page: Page, title: str) -> Locator:
    """Where the experiment stands: a heading, or a row to open."""
    return page.locator("h3, summary").filter(has_text=title).first


def test_predictions_lock_the_lab_and_stand_beside_what_is_measured(open_page: OpenPage) -> None:
    page = open_page(f"{Q7}?lang=en")
    for title in TITLES["en"]:
        expect(lab(page, title)).to_have_count(0)
    assert page.locator(".js-plotly-plot").count() == 0
    form = page.locator(".st-key-q07-predictions")
    numbers = form.locator("input[type=text]")
    numbers.nth(0).fill("1")
    numbers.nth(1).fill("32")
    form.get_by_role("radio").nth(1).focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Commit").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("You said 1×", exact=False)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("the formula says 11 pairs", exact=False)).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("You said Position interpolation", exact=False)).to_be_visible(timeout=PATIENCE)
    for title in TITLES["en"]:
        expect(lab(page, title)).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)


def test_a_rotation_is_run_and_looked_at_by_keyboard(open_page: OpenPage) -> None:
    page = open_page(f"{Q7}?lang=en&q07_invariance_start=1000")
    skip_predictions(page)
    lab(page, TITLES["en"][0]).wait_for(timeout=PATIENCE)
    settle(page)
    run = page.get_by_role("button", name=re.compile("^Run, about")).first
    run.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("^Measured here on")).first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("in fp32 at m = 1,000", exact=False)).to_be_visible(timeout=PATIENCE)
    settle(page)
    menu = page.get_by_role("combobox", name=re.compile("Arithmetic of the arrows"))
    menu.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_text("in bf16 angles at m = 1,000", exact=False)).to_be_visible(timeout=PATIENCE)
    settle(page)
    play = page.get_by_role("button", name="Turn from position 0 to 40")
    play.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile("^m = [0-9]+$"))).to_be_visible(timeout=PATIENCE)
    expect(play).to_be_visible(timeout=PATIENCE)
    open_experiments(page, "spectrum")
    slider = page.get_by_role("slider", name="Factor").first
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("it targets 7,680 tokens", exact=False)).to_be_visible(timeout=PATIENCE)
    check_page(page)


def test_the_whole_lab_fits_a_phone_in_the_dark_in_chinese(open_page: OpenPage) -> None:
    page = open_page(f"{Q7}?lang=zh", locale="zh-CN", theme="dark", width=390)
    skip_predictions(page)
    for title in TITLES["zh"]:
        lab(page, title).wait_for(timeout=PATIENCE)
    open_experiments(page, "spectrum", "shift", "lengths", "seeds")
    look_through(page)
    page.locator(".js-plotly-plot .bars").first.wait_for(timeout=PATIENCE)
    settle(page)
    check_page(page)
