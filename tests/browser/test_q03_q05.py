"""Questions 3, 4 and 5 in a real Chromium: from a prediction over its measurement to the reference answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from labs.q05_shapes.outline import STEPS
from pages.ui.words.i18n import catalogue
from questions import load_question
from tests.browser.conftest import (
    READERS,
    free_port,
    opened,
    own_page,
    running_app,
    see_plot,
    settle,
    wait_until,
    written,
)
from tests.browser.test_pages import check_page, skip_predictions

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000


@dataclass(frozen=True)
class Way:
    """A page as one person sees it: which prediction he answers, what he says, and what he then reads."""

    slug: str
    lab: str
    """The primary experiment."""
    place: int
    """Of the prediction among those of the page."""
    answer: str
    sentence: str
    """How the sentence of three numbers begins."""
    secret: str
    """What stands on the page only when it has been measured."""
    lang: str
    width: int


WAYS = (
    Way("q03_vocabulary", "market", 2, "6", "You said 6 tokens, the formula says", "1.14", "en", 1280),
    Way("q04_long_text", "methods", 0, "16", "你猜 16", "2,041", "zh", 390),
    Way("q05_shapes", "xray", 0, "26", "你猜 26", "25,829,888", "zh", 1280),
)
Visit = Callable[[Way], Page]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app of their own, in which nothing was predicted; a small model reads Question 4's text."""
    with running_app(tmp_path_factory.mktemp("q03"), free_port(), model="nano-rope") as running:
        yield running


@pytest.fixture
def visit(address: str, chromium: Browser) -> Iterator[Visit]:
    wrong: list[str] = []

    def open_at(way: Way) -> Page:
        look = READERS[way.lang] | {"width": way.width}
        return opened(chromium, address, f"/{way.slug}?lang={way.lang}", wrong, **look)

    yield open_at
    for context in chromium.contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.slug[:3]}-{way.lang}-{way.width}")
def test_from_a_prediction_to_the_reference(way: Way, visit: Visit) -> None:
    page, word = visit(way), catalogue(way.lang).__getitem__
    key = way.slug.partition("_")[0]
    assert page.locator(".js-plotly-plot").count() == 0 and way.secret not in written(page)

    boxes = page.locator(f".st-key-{key}-predictions input[type=text]")
    expect(boxes).to_have_count(len(load_question(way.slug).predictions), timeout=PATIENCE)
    boxes.nth(way.place).fill(way.answer)
    boxes.nth(way.place).press("Tab")
    settle(page)
    page.locator(f".st-key-{key}-predictions-commit button").click()

    panel = page.locator(f".st-key-lab-{way.lab}")
    expect(panel.get_by_text(way.sentence, exact=False).first).to_be_visible(timeout=PATIENCE)
    see_plot(page, f".st-key-lab-{way.lab}", timeout=PATIENCE)
    settle(page)

    main = page.get_by_test_id("stMain")
    main.get_by_role("button", name=word("reference.open"), exact=True).click()
    expect(page.locator("#reference")).to_be_focused(timeout=PATIENCE)
    settle(page)
    assert way.secret in written(page), "the lock test looks for the wrong thing"
    check_page(page)


def test_boxes_are_filled_in_by_keyboard_on_a_phone_and_judged_once_revealed(
    tmp_path: Path, chromium: Browser
) -> None:
    word = catalogue("zh").__getitem__
    with own_page(chromium, tmp_path, "q05_shapes", "zh") as page:
        skip_predictions(page)
        rows = page.locator("[class*='st-key-q05_xray_drawing-boxes']").get_by_test_id("stButtonGroup")
        expect(rows).to_have_count(len(STEPS), timeout=PATIENCE)
        narrow = rows.nth(STEPS.index("kv_linear"))
        press(narrow, "[2, 5, 512]")
        press(rows.nth(STEPS.index("scores")), "[2, 8, 5, 5]")
        wait_until(page, "decodeURIComponent(location.search).includes('[2,8,5,5]')", timeout=PATIENCE)
        assert "[2,5,512]" in unquote(page.url)
        expect(page.get_by_text(word("boxes.right"))).to_have_count(0)

        page.get_by_role("switch", name=word("q05.reveal")).press("Space")
        wrong = word("boxes.wrong").format(shape="[2, 5, 128]")
        expect(page.get_by_text(wrong).first).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text(word("boxes.right")).first).to_be_visible(timeout=PATIENCE)
        settle(page)
        check_page(page)


def press(row: Locator, shape: str) -> None:
    """Choose a shape of a row with the keyboard alone."""
    chosen = row.get_by_role("radio", name=shape, exact=True)
    row.get_by_role("radio").first.focus()
    while not chosen.evaluate("each => each === document.activeElement"):
        row.page.keyboard.press("ArrowRight")
    row.page.keyboard.press("Space")
    expect(chosen).to_be_checked(timeout=PATIENCE)
    settle(row.page)
