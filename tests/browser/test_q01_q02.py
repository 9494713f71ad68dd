"""Questions 1 and 2 from the first prediction to the reference: in English, and in Chinese at night."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from labs.q01_loss_mask.batch import TEXTS
from pages.ui.words.i18n import catalogue
from tests.browser.conftest import own_page, settle
from tests.browser.test_pages import check_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE = 90_000


class Journey:
    """One person on the page of a question, who reads one language."""

    def __init__(self, page: Page, question: str, language: str) -> None:
        self.page, self.question, self.words = page, question, catalogue(language)
        self.main = page.get_by_test_id("stMain")

    def predict(self, *numbers: str, choice: int | None = None) -> None:
        """Fill in the first fields, and the choice where there is one; the others are skipped."""
        form = self.page.locator(f".st-key-{self.question}-predictions")
        for box, number in zip(form.locator("input[type=text]").all(), numbers, strict=False):
            box.fill(number)
            box.press("Tab")
        if choice is not None:
            form.locator("[data-testid=stRadio] label:has(input)").nth(choice).click()
        settle(self.page)
        self.page.locator(f".st-key-{self.question}-predictions-commit button").click()

    def run(self, experiment: str) -> None:
        """Press the run button of an open panel, and wait until it can be pressed again."""
        button = self.run_button(experiment)
        button.click(timeout=PATIENCE)
        again = self.words["bench.again"].partition("{")[0].strip()
        expect(button).to_contain_text(again.rstrip("，, "), timeout=PATIENCE)
        settle(self.page)

    def says(self, where: Locator, sentence: str) -> None:
        """A sentence is there, whatever kind of space stands before its units."""
        spaced = re.compile(r"\s*".join(map(re.escape, sentence.split())))
        expect(where.get_by_text(spaced).first).to_be_visible(timeout=PATIENCE)

    def is_refused_a_megabyte(self, experiment: str, sentence: str) -> None:
        """What is pasted over the text of an open panel never gets into it, and that is said."""
        box = self.panel(experiment).get_by_role("textbox").first
        before = box.input_value()
        box.select_text()
        self.page.keyboard.insert_text("汉 " * 500_000)
        expect(self.panel(experiment).get_by_role("alert")).to_contain_text(sentence, timeout=PATIENCE)
        expect(box).to_have_value(before)

    def run_button(self, experiment: str) -> Locator:
        return self.page.locator(f".st-key-{self.question}_{experiment}-bench-run button")

    def panel(self, experiment: str) -> Locator:
        return self.page.locator(f".st-key-lab-{experiment}")

    def opens_the_reference(self, heading: str) -> None:
        self.main.get_by_role("button", name=self.words["reference.open"], exact=True).click()
        expect(self.main.get_by_role("heading", name=heading).first).to_be_visible(timeout=PATIENCE)


@contextlib.contextmanager
def journey(chromium: Browser, folder: Path, slug: str, *, chinese: bool) -> Iterator[Journey]:
    """A fresh app, on which nothing was predicted yet; Chinese is read on a phone, at night."""
    language = "zh" if chinese else "en"
    with own_page(chromium, folder, slug, language) as page:
        yield Journey(page, slug[:3], language)


def test_the_loss_mask_in_english(chromium: Browser, tmp_path: Path) -> None:
    with journey(chromium, tmp_path, "q01_loss_mask", chinese=False) as one:
        assert one.page.locator(".js-plotly-plot").count() == 0
        one.predict("7", "20", choice=2)
        said = "You said 7 positions; the formula says 6 positions, this machine measured 6 positions"
        one.says(one.main, said)
        expect(one.panel("batch").get_by_role("textbox").first).to_have_value(TEXTS["en"], timeout=PATIENCE)
        one.is_refused_a_megabyte("batch", "1,000,000 characters; the most is 8,000.")
        one.run("batch")
        number = r"\d+\s*targets"
        three = rf"Commonly said: {number}\. The formula says {number}; this device did {number}"
        expect(one.panel("batch").get_by_text(re.compile(three)).first).to_be_visible(timeout=PATIENCE)
        check_page(one.page)
        one.opens_the_reference("In 90 seconds")


def test_the_empty_text_in_chinese(chromium: Browser, tmp_path: Path) -> None:
    with journey(chromium, tmp_path, "q02_empty_text", chinese=True) as one:
        assert one.page.locator(".js-plotly-plot").count() == 0
        one.predict("0")
        one.says(one.main, "你猜 0 个，公式给出 0 个，这台机器测得 0 个")
        slider = one.panel("step").get_by_role("slider").first
        slider.focus()
        for _ in range(3):
            slider.press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuetext", "4", timeout=PATIENCE)
        settle(one.page)
        one.run("step")
        weights = "25,829,888 个权重"
        one.says(one.panel("step"), f"流传的说法是 {weights}；公式给出 {weights}，本机测得 {weights}")
        check_page(one.page)
        one.opens_the_reference("90 秒讲清")
