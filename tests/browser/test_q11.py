"""Question 11 in a real Chromium: the lock, the map of a fault, and a game that is played without a run."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import OpenPage, see_plot, settle, wait_until, written
from tests.browser.test_pages import check_page, open_experiments, skip_predictions

pytestmark = pytest.mark.timeout(400)

PATIENCE = 120_000
SECRETS = ("512", "491.1", "input_layernorm", "coin toss", "各凭运气")
"""What stands on the page once the lab is open."""


def switch(page: Page, word: str) -> Locator:
    return page.locator("label").filter(has_text=word).first


@pytest.mark.parametrize(
    ("lang", "theme", "width"),
    [("en", "light", 1280), pytest.param("zh", "dark", 390, marks=pytest.mark.slow)],
)
def test_a_fault_is_mapped_and_a_silent_bug_is_hunted(
    open_page: OpenPage, lang: str, theme: str, width: int
) -> None:
    locale = "zh-CN" if lang == "zh" else "en-US"
    page = open_page(f"/q11_nan?lang={lang}&q11_roulette_spin=1", locale=locale, theme=theme, width=width)
    words, main = catalogue(lang), page.get_by_test_id("stMain")
    if page.locator(".st-key-q11-predictions-commit").count():  # who has read before finds the lab open
        assert page.locator(".js-plotly-plot").count() == 0
        assert not [secret for secret in SECRETS if secret in written(page)]

    skip_predictions(page)
    see_plot(page, timeout=PATIENCE)  # of a run that was recorded
    found = main.get_by_text("model.layers.5.input_layernorm", exact=False)
    expect(found.first).to_be_visible(timeout=PATIENCE)

    open_experiments(page, "roulette")
    many = words["q11.note.many"]
    expect(main.get_by_text(many.format(count=46))).to_be_visible(timeout=PATIENCE)
    page.locator(".st-key-lab-roulette summary").nth(1).click()  # what stands under More
    settle(page)
    switch(page, words["q11.ask.loss"]).click()
    wait_until(page, "location.search.includes('q11_roulette_loss=')")
    settle(page)
    expect(main.get_by_text(many.format(count=46))).to_have_count(0, timeout=PATIENCE)
    check_page(page)
