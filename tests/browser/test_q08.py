"""Question 8 in a real Chromium: the lock, gains by keyboard, and a mask that is wrong in silence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import READERS, free_port, opened, running_app, settle
from tests.browser.test_pages import check_page, open_experiments, skip_predictions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE = 120_000
SECRETS = ("2.94", "7.14", "0.0314", "4.06")
"""True values that stand on the page once the lab and the reference are open."""
TOGETHER = {"en": "make it {} times faster", "zh": "让一步快 {} 倍"}
FIRST_VALUE = {"en": "returns the first value vector", "zh": "返回的就是第一个值向量"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app of its own, so that nobody has skipped the predictions before."""
    with running_app(tmp_path_factory.mktemp("q08"), free_port()) as started:
        yield started


def says(page: Page, text: str) -> None:
    expect(page.get_by_text(text, exact=False).first).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_gains_and_masks(chromium: Browser, address: str, language: str) -> None:
    wrong: list[str] = []
    page = opened(chromium, address, f"/q08_speedup?lang={language}", wrong, **READERS[language])
    words = catalogue(language)
    if language == "en":
        assert page.locator(".js-plotly-plot").count() == 0
        assert not [secret for secret in SECRETS if secret in page.locator("body").inner_text()]
    skip_predictions(page)
    heading = page.locator("h3").filter(has_text=words["q08.ladder.title"]).first
    expect(heading).to_be_visible(timeout=PATIENCE)

    open_experiments(page, "amdahl")
    says(page, TOGETHER[language].format("7.14"))
    page.get_by_role("slider", name=words["q08.launch_share"]).first.press("Home")
    says(page, TOGETHER[language].format("2.00"))
    settle(page)

    open_experiments(page, "masks")
    page.locator(".st-key-lab-masks").get_by_role("slider").first.press("Home")
    settle(page)
    page.locator(".st-key-q08_masks-bench-run button").click()
    says(page, FIRST_VALUE[language])
    settle(page)
    check_page(page)
    page.context.close()
    assert not wrong, "\n".join(wrong)
