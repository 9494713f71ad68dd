"""Question 9 in a real Chromium: the lock, a schedule drawn at once, a duel that streams and is stopped."""

from __future__ import annotations

import secrets

import pytest
from playwright.sync_api import Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import READERS, OpenPage, see_plot, settle, wait_until, written
from tests.browser.test_pages import check_page, open_experiments, skip_predictions

pytestmark = pytest.mark.timeout(400)

Q9 = "/q09_accumulation"
PATIENCE = 240_000
"""Milliseconds for the slowest run of the page beside other tests."""
SECRETS = ("826.6", "1.875")
"""Measured values that stand on the page once the lab is open."""
POINTS = """() => Math.max(0, ...[...document.querySelectorAll('.st-key-q09_duel-bench-turn .js-plotly-plot')]
    .filter(plot => plot.data.length === 4).map(plot => plot.data[0].y?.length ?? 0))"""
"""Points of the first curve of the duel that runs; a recorded one waits below it."""
SCHEDULE = """() => { const plot = document.querySelector('.st-key-lab-schedule .js-plotly-plot')
    return plot?.data?.[1] ? [plot.data.length, plot.data[1].y[199]] : null }"""
"""Traces of the schedule's plot, and the formula's last rate."""


def run_button(page: Page, experiment: str):
    return page.locator(f".st-key-q09_{experiment}-bench-run button")


def predict(page: Page, words: dict[str, str]) -> None:
    """Commit to one number, and leave the others out; whoever has done so before finds the lab open."""
    commit = page.locator(".st-key-q09-predictions-commit button")
    expect(commit.or_(page.locator("#lab")).first).to_be_visible(timeout=PATIENCE)
    if commit.count():
        assert page.locator(".js-plotly-plot").count() == 0
        assert not [secret for secret in SECRETS if secret in written(page)]
        box = page.locator(".st-key-q09-predictions input[type=text]").nth(1)
        box.fill("8")
        box.press("Tab")
        settle(page)
        commit.click()
    title = page.get_by_role("heading", name=words["q09.accumulate.title"])
    expect(title).to_be_visible(timeout=PATIENCE)
    settle(page)


@pytest.mark.parametrize("lang", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_from_the_predictions_to_a_schedule(open_page: OpenPage, lang: str) -> None:
    words = catalogue(lang)
    page = open_page(f"{Q9}?lang={lang}", **READERS[lang])
    predict(page, words)

    open_experiments(page, "schedule")
    menu = page.get_by_role("combobox", name=words["q09.counting"]).first
    menu.click()
    page.get_by_role("option", name=words["q09.counting.total"], exact=True).click()
    see_plot(page, ".st-key-lab-schedule")
    wait_until(page, f"({SCHEDULE})()?.[0] === 2 && ({SCHEDULE})()[1] > 0.9", timeout=PATIENCE)
    check_page(page)


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_duel_is_stopped_while_its_curves_grow(open_page: OpenPage, lang: str) -> None:
    """As many updates as there may be, and small ones: it shows soon, and is not over before it is stopped.

    A seed of its own, so that a second try does not find what the first one left.
    """
    words, seed = catalogue(lang), secrets.randbelow(10**6)
    settings = f"q09_duel_updates=200&q09_duel_steps=2&q09_duel_seed={seed}"
    page = open_page(f"{Q9}?lang={lang}&{settings}", **READERS[lang])
    skip_predictions(page)
    open_experiments(page, "duel")
    run_button(page, "duel").click(timeout=PATIENCE)  # what a prediction measures may still run in its place
    wait_until(page, f"({POINTS})() > 0 && ({POINTS})() < 190", timeout=PATIENCE)
    early = page.evaluate(POINTS)
    expect(page.locator(".st-key-q09_duel-bench-output")).to_be_hidden()
    wait_until(page, f"early => ({POINTS})() > early", arg=early, timeout=PATIENCE)
    duel = page.locator(".st-key-lab-duel")  # what a prediction measures may be under way beside it
    duel.get_by_role("button", name=words["job.stop"], exact=True).click(timeout=PATIENCE)
    expect(run_button(page, "duel")).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)
