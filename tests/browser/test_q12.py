"""Question 12 from the predictions to a broken cache and to the pages, in Chromium, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import own_page, settle, written
from tests.browser.test_pages import check_page, open_experiments

pytestmark = pytest.mark.timeout(600)

PATIENCE = 150_000
SECRETS = ("91.9", "2,502,656")
"""Answers of the predictions, which stand on the page once these are committed."""


@pytest.fixture(params=["en", pytest.param("zh", marks=pytest.mark.slow)])
def page_of(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory
) -> Iterator[tuple[Page, str]]:
    with own_page(chromium, tmp_path_factory.mktemp("q12"), "q12_kv_cache", request.param) as page:
        yield page, request.param


def test_predict_see_it_measured_and_look_at_a_mistake(page_of: tuple[Page, str]) -> None:
    page, language = page_of
    words, main = catalogue(language), page.get_by_test_id("stMain")
    boxes = page.locator(".st-key-q12-predictions input[type=text]")
    expect(boxes).to_have_count(3, timeout=PATIENCE)
    assert not [secret for secret in SECRETS if secret in written(page)]
    assert page.locator(".js-plotly-plot").count() == 0

    for box, number in zip(boxes.all(), ("561.5", "4", "2506752"), strict=True):
        box.fill(number)
        box.press("Tab")
    settle(page)
    page.locator(".st-key-q12-predictions-commit button").click()
    open_experiments(page, "bugs")
    page.locator(".st-key-lab-bugs").get_by_role("combobox").first.click()
    page.get_by_role("option", name=words["q12.bug.fed_twice"]).click()
    expect(main.get_by_text(words["q12.why.fed_twice"])).to_be_visible(timeout=PATIENCE)

    for secret in SECRETS:  # measured here, on the real model
        expect(main.get_by_text(secret).first).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)
