"""Question 10 in a real Chromium: the lock, the moving histogram, curves that grow while a training runs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from labs.contract.filling import raised
from tests.browser.conftest import READERS, OpenPage, settle, wait_until, written
from tests.browser.processes import at_a_crawl, web_process, worker_of
from tests.browser.soak import write_once
from tests.browser.test_pages import check_page, open_experiments, skip_predictions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

Q10 = "/q10_grad_scaler"
PATIENCE = 240_000
"""Milliseconds for the slowest run of the page beside other tests."""
TITLES = {
    "en": ("Move the histogram into the window", "Four trainings, four precisions"),
    "zh": ("把直方图移进窗口", "四种精度，四场训练"),
}
ITSELF = {"en": "FP16 itself, run at 2{}", "zh": "FP16 真跑一遍，因子 2{}"}
SCALE = {"en": re.compile("^Loss scale"), "zh": re.compile("^损失倍数")}
CURVES = """() => [...document.querySelectorAll('.js-plotly-plot')]
    .filter(plot => plot.checkVisibility() && plot.data.length === 4)
    .filter(plot => plot.data.every(trace => trace.mode === 'lines+markers'))
    .map(plot => plot.data[0].y.length)"""
"""Points of the first curve of every plot with four of them."""


def lab(page: Page, title: str) -> Locator:
    """Where the experiment stands: a heading, or a row to open."""
    return page.locator("h3, summary").filter(has_text=title).first


def run_button(page: Page, experiment: str) -> Locator:
    return page.locator(f".st-key-q10_{experiment}-bench-run button")


def open_lab(open_page: OpenPage, lang: str, **options) -> Page:
    page = open_page(f"{Q10}?lang={lang}", **options)
    skip_predictions(page)
    lab(page, TITLES[lang][0]).wait_for(timeout=PATIENCE)
    settle(page)
    return page


def test_predictions_lock_the_lab_and_stand_beside_what_is_measured(open_page: OpenPage) -> None:
    page = open_page(f"{Q10}?lang=en")
    for title in TITLES["en"]:
        expect(lab(page, title)).to_have_count(0)
    assert page.locator(".js-plotly-plot").count() == 0
    assert "5,242" not in written(page) and "5242" not in written(page)
    numbers = page.locator(".st-key-q10-predictions input[type=text]")
    for place, said in enumerate(("5000", "1", "50")):
        numbers.nth(place).fill(said)
    page.get_by_role("button", name="Commit").focus()
    page.keyboard.press("Enter")
    for sentence in (
        "You said 5,000 tokens; this machine measured 5,242 tokens",
        "You said 1 steps; the formula says 6 steps, this machine measured 6 steps",
        "You said 50%; this machine measured −8.379%",
    ):
        expect(page.get_by_text(sentence, exact=False)).to_be_visible(timeout=PATIENCE)
    for title in TITLES["en"]:
        expect(lab(page, title)).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_scale_moves_the_histogram_by_keyboard_without_a_run(open_page: OpenPage, lang: str) -> None:
    page = open_lab(open_page, lang, **READERS[lang])
    run_button(page, "window").focus()
    page.keyboard.press("Enter")
    said = page.get_by_text(ITSELF[lang].format(raised(-14)), exact=False)
    expect(said).to_be_visible(timeout=PATIENCE)
    done = page.get_by_text(re.compile("^(Measured here on|在本机 .* 上测得)"))
    expect(done.first).to_be_visible(timeout=PATIENCE)  # what stood there is pale until then
    settle(page)
    slider = page.get_by_role("slider", name=SCALE[lang]).first
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text(ITSELF[lang].format(raised(-6)), exact=False)).to_be_visible(timeout=PATIENCE)
    assert "q10_window_scale_exponent=8" in page.url
    settle(page)
    check_page(page)


def test_the_curves_grow_while_the_training_runs(open_page: OpenPage, server: str) -> None:
    page = open_lab(open_page, "en")
    open_experiments(page, "duel")
    write_once(server)
    with at_a_crawl(worker_of(web_process(server))):
        run_button(page, "duel").click()
        wait_until(page, f"({CURVES})().some(points => points > 2 && points < 50)", timeout=PATIENCE)
    early = max(page.evaluate(CURVES))
    more = f"early => ({CURVES})().some(points => points > early)"
    wait_until(page, more, arg=early, timeout=PATIENCE)
    expect(page.get_by_text(re.compile("^Without scaler the loss ends"))).to_be_visible(timeout=PATIENCE)
    wait_until(page, f"({CURVES})().includes(60)", timeout=PATIENCE)


def test_a_training_stops_when_it_is_told(open_page: OpenPage, server: str) -> None:
    page = open_lab(open_page, "en")
    open_experiments(page, "duel")
    page.get_by_role("slider", name="Steps").first.focus()
    page.keyboard.press("End")
    write_once(server)
    with at_a_crawl(worker_of(web_process(server))):
        run_button(page, "duel").click()
        page.get_by_role("button", name="Stop", exact=True).click(timeout=PATIENCE)
    expect(run_button(page, "duel")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate(CURVES) in ([], [60])  # what was stopped has no result; a recorded run may be shown
