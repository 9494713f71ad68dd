"""Question 14 from the predictions to a simulated fleet and a real load, in Chromium, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import own_page, settle
from tests.browser.test_pages import check_locked, check_page, commit_predictions, open_experiments

pytestmark = pytest.mark.timeout(600)

PATIENCE = 60_000
SECRETS = ("41.1", "3.03")
"""Simulated requests in flight, and the rate of the closed loop: on the page once the lab is open."""


@pytest.fixture
def page(language: str, chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    with own_page(chromium, tmp_path, "q14_serving", language) as page:
        yield page


def test_predict_simulate_and_see_the_load_come_in(page: Page, language: str) -> None:
    words, main = catalogue(language), page.get_by_test_id("stMain")
    fields = page.locator(".st-key-q14-predictions input[type=text]")
    expect(fields).to_have_count(3, timeout=PATIENCE)
    check_locked(page, *SECRETS)

    commit_predictions(page, "q14", "100", "2", "30")
    open_experiments(page, "load")
    page.locator(".st-key-q14_load-bench-run button").click()
    live = page.locator(".st-key-lab-load .js-plotly-plot")
    expect(live.first).to_be_visible(timeout=PATIENCE)  # drawn while it runs
    page.locator(".st-key-lab-load").get_by_role("button", name=words["job.stop"]).click()
    expect(page.locator(".st-key-q14_load-bench-run button")).to_be_visible(timeout=PATIENCE)

    # The predictions have had the fleet simulated already, at the settings that the page opens with.
    expect(page.locator(".st-key-q14_simulate-bench-run button")).to_be_visible(timeout=PATIENCE)
    expect(main.get_by_text(words["q14.figure.simulate.knee"]).first).to_be_visible(timeout=PATIENCE)
    for secret in SECRETS:
        expect(main.get_by_text(secret).first).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)
