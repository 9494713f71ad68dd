"""Question 12 from the predictions to a broken cache and to the pages, in Chromium, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import own_page, settle
from tests.browser.test_pages import check_locked, check_page, commit_predictions, open_experiments

pytestmark = pytest.mark.timeout(600)

PATIENCE = 150_000
SECRETS = ("91.9", "2,502,656")
"""Answers of the predictions, which stand on the page once these are committed."""


@pytest.fixture
def page(language: str, chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    with own_page(chromium, tmp_path, "q12_kv_cache", language) as page:
        yield page


def test_predict_see_it_measured_and_look_at_a_mistake(page: Page, language: str) -> None:
    words, main = catalogue(language), page.get_by_test_id("stMain")
    fields = page.locator(".st-key-q12-predictions input[type=text]")
    expect(fields).to_have_count(3, timeout=PATIENCE)
    check_locked(page, *SECRETS)

    commit_predictions(page, "q12", "561.5", "4", "2506752")
    open_experiments(page, "bugs")
    page.locator(".st-key-lab-bugs").get_by_role("combobox").first.click()
    page.get_by_role("option", name=words["q12.bug.fed_twice"]).click()
    expect(main.get_by_text(words["q12.why.fed_twice"])).to_be_visible(timeout=PATIENCE)

    for secret in SECRETS:  # measured here, on the real model
        expect(main.get_by_text(secret).first).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)
