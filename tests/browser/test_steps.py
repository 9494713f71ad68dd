"""The way through a question in a real Chromium, by keyboard alone: one always knows what is next.

Each test has an app of its own, so that nothing was answered before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pages.ui.words.i18n import catalogue
from questions import load_question
from tests.browser import soak
from tests.browser.conftest import free_port, opened, running_app, see_plot, settle, wait_until
from tests.browser.test_pages import check_page
from tests.browser.test_study_page import answer

pytestmark = pytest.mark.timeout(400)

PATIENCE = 120_000
PRIMARY_PATH = 4500
"""Pixels that question, answer, predictions, the primary experiment and the reference may take at 1280."""
WATCH_SHIFTS = """window.shifts = []; new PerformanceObserver(list => {
  const what = ({ node }) => `${node?.className}: ${node?.textContent.slice(0, 40)}`
  for (const { hadRecentInput, value, sources } of list.getEntries())
    if (!hadRecentInput) window.shifts.push([value, sources.map(what)])
}).observe({ type: 'layout-shift', buffered: true })"""
TOP = "document.querySelector('[data-testid=stMain]').scrollTop"
END_OF_REFERENCE = """() => document.querySelector('.st-key-claims').getBoundingClientRect().bottom
    + document.querySelector('[data-testid=stMain]').scrollTop"""
Visit = Callable[..., Page]


@pytest.fixture
def visit(tmp_path: Path, chromium: Browser) -> Iterator[Visit]:
    """Opens an address of a fresh app; with `labs_open` all predictions were skipped before."""
    wrong: list[str] = []
    with running_app(tmp_path, free_port()) as address:

        def open_at(path: str, *, labs_open: bool = False, **look: Any) -> Page:
            if labs_open:
                soak.open_the_labs(tmp_path)
            return opened(chromium, address, path, wrong, script=WATCH_SHIFTS, **look)

        yield open_at
        for context in chromium.contexts:
            context.close()
    assert not wrong, "\n".join(wrong)


def check_calm(page: Page) -> None:
    """What moved by itself moved little; else the test says what it was."""
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) <= 0.1, shifts


def next_step(page: Page) -> Locator:
    return page.locator(".rail [aria-current=step]")


def press(page: Page, name: str) -> None:
    button = page.get_by_test_id("stMain").get_by_role("button", name=re.compile(f"^{re.escape(name)}"))
    button.first.focus()
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("lang", "width", "theme"),
    [
        ("en", 1280, "light"),
        pytest.param("zh", 390, "dark", marks=pytest.mark.slow),
        pytest.param("zh", 1280, "dark", marks=pytest.mark.slow),
        pytest.param("en", 390, "light", marks=pytest.mark.slow),
    ],
)
def test_from_the_question_to_the_next_by_keyboard(visit: Visit, lang: str, width: int, theme: str) -> None:
    word = catalogue(lang).__getitem__
    page = visit(f"/q6?lang={lang}", width=width, theme=theme)
    assert "/q06_gqa?" in page.url and page.get_by_role("dialog").count() == 0
    expect(page).to_have_title(f"Q6 · {load_question('q06_gqa').short[lang]} – MiniMind")
    check_calm(page)
    expect(next_step(page)).to_contain_text(word("rail.answer"))
    assert page.locator(".rail a[href='#reference']").count() == 0, "it is locked"

    answer(page).focus()
    page.keyboard.type("Eight heads share two caches")
    expect(next_step(page)).to_contain_text(word("rail.predict"), timeout=PATIENCE)
    settle(page)
    press(page, word("predict.skip"))
    expect(page.locator("#predict")).to_be_focused(timeout=PATIENCE)
    expect(next_step(page)).to_contain_text(word("rail.lab"))
    expect(page.locator(".st-key-q06_decode-bench-run button[kind=primary]")).to_be_visible()
    assert page.locator("[data-testid=stMain] button[kind=primary]").count() == 1
    check_page(page)

    press(page, word("reference.open"))
    expect(page.locator("#reference")).to_be_focused(timeout=PATIENCE)
    expect(next_step(page)).to_contain_text(word("rail.score"))
    expect(page.get_by_role("button", name=re.compile(f"^{word('draft.over')}"))).to_be_disabled()
    settle(page)
    if width == 1280:
        assert page.evaluate(END_OF_REFERENCE) <= PRIMARY_PATH
        expect(page.locator(".rail-mine")).to_contain_text("Eight heads share two caches")
    else:
        expect(page.locator(".st-key-mine")).to_contain_text("Eight heads share two caches")
    check_page(page)

    press(page, word("score.keep"))
    expect(page.get_by_role("button", name=word("score.again"))).to_be_visible(timeout=PATIENCE)
    settle(page)
    press(page, "Q7")
    page.wait_for_url("**/q07_rope?**", timeout=PATIENCE)
    expect(page.locator("h1")).to_be_focused(timeout=PATIENCE)
    assert page.evaluate(TOP) == 0


def test_an_address_opens_an_experiment_and_a_link_of_the_rail_another(visit: Visit) -> None:
    page = visit("/Q6?lang=en#lab-cache", labs_open=True)
    row = page.locator(".st-key-lab-cache details").first
    expect(row.locator("summary").first).to_be_focused(timeout=PATIENCE)
    expect(row.get_by_role("button", name="Run, about")).to_be_visible(timeout=PATIENCE)
    expect(row.get_by_role("button", name="Run, about")).to_have_accessible_name(
        re.compile("Bytes of a cache")
    )
    page.locator(".rail a[href='#lab-wiring']").focus()
    page.keyboard.press("Enter")
    other = page.locator(".st-key-lab-wiring details").first
    expect(other.locator("summary").first).to_be_focused(timeout=PATIENCE)
    assert other.evaluate("fold => fold.open")
    settle(page)
    check_page(page)


def test_a_run_moves_nothing_and_is_found_again_after_a_reload(visit: Visit) -> None:
    page = visit("/q07_rope?lang=en", labs_open=True)
    run = page.locator(".st-key-q07_invariance-bench-run button")
    run.scroll_into_view_if_needed()
    see_plot(page, ".st-key-lab-invariance")
    page.evaluate("window.shifts = []; document.querySelector('.st-key-lab-invariance .plot').before = true")
    run.focus()
    page.keyboard.press("Enter")
    kept = page.locator(".st-key-lab-invariance").get_by_text(re.compile("^Measured here on"))
    expect(kept).to_be_visible(timeout=PATIENCE)
    settle(page)
    assert page.evaluate("document.querySelector('.st-key-lab-invariance .plot').before"), "it was drawn anew"
    expect(run).to_be_focused(timeout=PATIENCE)
    check_calm(page)
    page.reload()
    expect(kept).to_contain_text("and kept", timeout=PATIENCE)
    expect(run).to_contain_text("Measure again")


def test_another_page_begins_at_its_top(visit: Visit) -> None:
    page = visit("/q05_shapes?lang=en")
    page.get_by_role("button", name="Q6").scroll_into_view_if_needed()
    wait_until(page, f"{TOP} > 300")
    page.get_by_role("button", name="Q6").click()
    page.wait_for_url("**/q06_gqa?**", timeout=PATIENCE)
    settle(page)
    assert page.evaluate(TOP) == 0


def test_a_question_prints_without_what_is_only_for_the_screen(visit: Visit) -> None:
    page = visit("/q06_gqa?lang=en", labs_open=True)
    page.emulate_media(media="print")
    for hidden in ("[data-testid=stSidebar]", ".rail", ".st-key-neighbours", ".st-key-q06_decode-bench-run"):
        expect(page.locator(hidden)).to_be_hidden()
    for control in ("stSelectbox", "stNumberInput", "stSlider", "stButton", "stDownloadButton"):
        expect(page.get_by_test_id("stMain").get_by_test_id(control).locator("visible=true")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.pdf()
    wait_until(page, "[...document.querySelectorAll('.plot')].every(plot => plot.data)")
