"""Question 14 from the predictions to a simulated fleet and a real load, in Chromium, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import own_page, settle, written
from tests.browser.test_pages import check_page, open_experiments

pytestmark = pytest.mark.timeout(600)

PATIENCE = 60_000
SECRETS = ("41.1", "3.03")
"""Simulated requests in flight, and the rate of the closed loop: on the page once the lab is open."""


@pytest.fixture(params=["en", pytest.param("zh", marks=pytest.mark.slow)])
def page_of(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory
) -> Iterator[tuple[Page, str]]:
    with own_page(chromium, tmp_path_factory.mktemp("q14"), "q14_serving", request.param) as page:
        yield page, request.param


def test_predict_simulate_and_see_the_load_come_in(page_of: tuple[Page, str]) -> None:
    page, language = page_of
    words, main = catalogue(language), page.get_by_test_id("stMain")
    boxes = page.locator(".st-key-q14-predictions input[type=text]")
    expect(boxes).to_have_count(3, timeout=PATIENCE)
    assert not [secret for secret in SECRETS if secret in written(page)]
    assert page.locator(".js-plotly-plot").count() == 0

    for box, number in zip(boxes.all(), ("100", "2", "30"), strict=True):
        box.fill(number)
        box.press("Tab")
    settle(page)
    page.locator(".st-key-q14-predictions-commit button").click()
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
