"""Question 13 from the first prediction to a checked claim, in a real Chromium, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pages.ui.words.i18n import catalogue
from tests.browser.conftest import own_page, settle, wait_until, written
from tests.browser.test_pages import check_locked, check_page, commit_predictions, open_experiments

pytestmark = pytest.mark.timeout(600)

PATIENCE = 60_000
SECRETS = ("0.6612", "0.4748", "0.5556", "IndexError", "0.41447")
"""True or measured values that stand on the page once the lab and the reference are open."""
NUCLEUS = "0.5, 0.25, 0.15, 0.05, 0.03, 0.02"


class Journey:
    """One person on the page of Question 13, who reads one language."""

    def __init__(self, page: Page, language: str) -> None:
        self.page, self.language = page, language
        self.main = page.get_by_test_id("stMain")

    def word(self, key: str) -> str:
        return catalogue(self.language)[key]

    def button(self, key: str) -> Locator:
        return self.main.get_by_role("button", name=self.word(key), exact=True)

    def run(self, name: str) -> None:
        """Press the run button of an experiment's panel and wait for its result."""
        open_experiments(self.page, name)
        self.page.locator(f".st-key-q13_{name}-bench-run button").click()
        settle(self.page)
        self.page.locator(f".st-key-q13_{name}-bench-run button").wait_for(timeout=PATIENCE)
        settle(self.page)

    def says(self, text: str) -> None:
        expect(self.main.get_by_text(text, exact=False).first).to_be_visible(timeout=PATIENCE)

    def predict(self) -> None:
        commit_predictions(self.page, "q13", "3", "0.66", "6.5")
        self.button("q13.page.write").wait_for(timeout=PATIENCE)
        settle(self.page)

    def write(self) -> None:
        self.button("q13.task.creative").click()
        expect(self.page.get_by_role("slider", name=self.word("q13.top_p")).first).to_have_attribute(
            "aria-valuetext", "0.85", timeout=PATIENCE
        )
        settle(self.page)
        self.button("q13.page.write").click()
        wait_until(self.page, "document.querySelector('.sample')?.innerText.length > 20", timeout=PATIENCE)
        stop = self.button("job.stop")
        expect(stop).to_have_count(0, timeout=PATIENCE)
        settle(self.page)

    def reorder(self) -> None:
        """With the keys to the end, and with the mouse back to the start."""
        places = self.main.get_by_role("list", name=self.word("q13.order")).first.get_by_role("button")
        places.first.press("End")
        self.page.wait_for_url("**q13_order=top_k%2Ctop_p%2Cmin_p%2Ctypical_p%2Ctemperature**")
        expect(places.last).to_be_focused()
        settle(self.page)
        places.last.drag_to(places.first, target_position={"x": 2, "y": 4})
        expect(places.first).to_contain_text(self.word("q13.order.temperature"))
        wait_until(self.page, "!location.search.includes('q13_order')")
        settle(self.page)

    def type_numbers(self) -> None:
        open_experiments(self.page, "manual")
        box = self.page.get_by_role("textbox", name=self.word("q13.numbers"))
        box.fill(NUCLEUS)
        box.press("Enter")
        self.says(f"{self.word('q13.rule.definition')} 3")
        self.says("transformers 4")

    def pin_two_runs_of_the_mistakes(self) -> None:
        self.run("bugs")
        self.button("pins.pin").last.click()
        self.button("pins.pinned").wait_for(timeout=PATIENCE)
        settle(self.page)
        self.page.get_by_role("slider", name=self.word("q13.rows")).press("ArrowRight")
        settle(self.page)
        self.run("bugs")
        row = self.main.get_by_role("row").filter(has_text=self.word("q13.rows"))
        expect(row).to_contain_text("17", timeout=PATIENCE)
        expect(row).to_contain_text("16")

    def check_a_claim(self) -> None:
        self.button("reference.open").click()
        self.page.locator(".st-key-claims summary").first.click(timeout=PATIENCE)
        claim = self.page.locator(".st-key-claim-Q13-C4 details")
        claim.locator("summary").click(timeout=PATIENCE)
        settle(self.page)
        claim.locator(".st-key-evidence-Q13-C4-run button").click()
        expect(claim.get_by_text(self.word("evidence.agrees"))).to_be_visible(timeout=PATIENCE)
        expect(claim.get_by_role("row").filter(has_text="strict_shift")).to_contain_text("4")


@pytest.fixture
def journey(language: str, chromium: Browser, tmp_path: Path) -> Iterator[Journey]:
    with own_page(chromium, tmp_path, "q13_sampling", language) as page:
        yield Journey(page, language)


def test_from_the_predictions_to_a_checked_claim(journey: Journey) -> None:
    page = journey.page
    expect(journey.button("predict.commit")).to_be_visible(timeout=PATIENCE)
    check_locked(page, *SECRETS)
    assert page.locator("[class*='st-key-evidence']").count() == 0

    journey.predict()
    journey.says("0.6612")
    journey.reorder()
    journey.write()
    journey.type_numbers()
    journey.pin_two_runs_of_the_mistakes()
    check_page(page)
    journey.check_a_claim()
    assert all(secret in written(page) for secret in SECRETS), "the lock test looks for the wrong things"
    check_page(page)
