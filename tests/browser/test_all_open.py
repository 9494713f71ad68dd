"""Pages with all on them open, in a real Chromium: the first paint stays where it is, axe finds nothing.

Before, the way from the question to the end of the reference is no longer than it may be.

Predictions are skipped and references open. On a study page every row of the lab, every section of the
answer, every claim and every diagram is opened before axe looks, so contrast, names and widths are those of
all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.site.store import REFERENCE
from questions import load_questions
from study.store import open_store
from tests.browser import soak
from tests.browser.conftest import free_port, running_app, settle, watch
from tests.browser.test_every_page import PAGES, PATIENCE
from tests.browser.test_pages import check_page
from tests.browser.test_steps import END_OF_REFERENCE, PRIMARY_PATH

pytestmark = pytest.mark.timeout(400)

MOST_SHIFT = 0.1
WATCH_SHIFTS = """window.shifts = 0; new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value
}).observe({ type: 'layout-shift', buffered: true })"""
CLOSED_ROWS = "[class*=st-key-lab-] details:not([open]):has(> summary p strong) > summary"
OPEN_FOLDS = "document.querySelectorAll('[data-testid=stMain] details').forEach(fold => { fold.open = true })"
"""What is folded is in the page already, but for the rows of the lab."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app in which every reference is open."""
    folder = tmp_path_factory.mktemp("open")
    soak.open_the_labs(folder)
    open_the_references(folder)
    with running_app(folder, free_port()) as address:
        yield address


def open_the_references(folder: Path) -> None:
    kept = open_store(f"sqlite:///{folder}/study.sqlite3")
    me = kept.profiles.named_or_new("Me").id
    for question in load_questions():
        attempt = kept.attempts.open(me, question.key)
        kept.attempts.update(attempt, text="Eight heads share two caches", help_used=[REFERENCE])
    kept.close()


def open_everything(page: Page) -> None:
    for _ in range(page.locator(CLOSED_ROWS).count()):
        page.locator(CLOSED_ROWS).first.click()
        settle(page)
    page.evaluate(OPEN_FOLDS)
    for diagram in page.locator(".diagram").all():
        assert diagram.bounding_box()["width"] >= 300, "its texts are too small"


@pytest.mark.parametrize(
    ("lang", "theme", "width", "paths"),
    [
        ("en", "light", 1280, ("",)),
        ("zh", "dark", 390, ("q06_gqa",)),
        pytest.param("en", "light", 1280, PAGES, marks=pytest.mark.slow),
        pytest.param("zh", "dark", 390, PAGES, marks=pytest.mark.slow),
    ],
    ids=["en", "zh", "en-all", "zh-all"],
)
def test_open_pages_stand_still_and_hinder_nobody(
    app: str, chromium: Browser, lang: str, theme: str, width: int, paths: tuple[str, ...]
) -> None:
    found: list[str] = []
    for path in paths:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        page = context.new_page()
        page.add_init_script(WATCH_SHIFTS)
        watch(page, app, found)
        page.goto(f"{app}/{path}?lang={lang}")
        page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
        settle(page)
        shifts = page.evaluate("window.shifts")
        if shifts > MOST_SHIFT:
            found.append(f"{path}: moved by {shifts:.2f}")
        if width == 1280 and path.startswith("q") and (end := page.evaluate(END_OF_REFERENCE)) > PRIMARY_PATH:
            found.append(f"{path}: from the question to the end of the reference {end:.0f} px")
        try:
            open_everything(page)
            check_page(page)
        except AssertionError as error:
            found.append(f"{path}: {error}")
        context.close()
    assert not found, "\n".join(found)


def test_a_term_is_explained_by_keyboard_within_the_page(app: str, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 900})
    page = context.new_page()
    page.goto(f"{app}/q06_gqa?lang=zh")
    term = page.locator(".st-key-spoken .term").first
    term.wait_for(timeout=PATIENCE)
    settle(page)
    page.locator(".st-key-spoken").evaluate("box => box.scrollIntoView()")
    look = "term => getComputedStyle(term, '::after').content"
    assert term.evaluate(look) == "none"
    term.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # only a keyboard shows the focus
    assert term.evaluate(look).strip('"') == term.get_attribute("aria-description")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


def test_the_line_at_p_is_dragged_and_the_slider_follows(app: str, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{app}/q13_sampling?lang=en")
    plot = page.locator(".plot[style*=ew-resize]")
    plot.wait_for(timeout=PATIENCE)
    settle(page)
    plot.evaluate("plot => plot.scrollIntoView({ block: 'center' })")
    area = plot.locator(".nsewdrag").bounding_box(timeout=PATIENCE)
    height = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + 0.9 * area["width"], height)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.6 * area["width"], height, steps=4)
    expect(plot).to_contain_text("p = 0.6")
    page.mouse.move(area["x"] + 0.5 * area["width"], height)
    page.mouse.up()
    slider = page.locator(".st-key-q13_top_p").get_by_role("slider")
    expect(slider).to_have_value("0.5", timeout=PATIENCE)
    assert "q13_top_p=0.5" in page.url
    settle(page)
    expect(plot).to_contain_text("p = 0.5")
    context.close()
