"""From any page to the exact place by words, in a real Chromium, and nothing typed or opened is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from questions import load_question
from tests.browser.conftest import OpenPage, settle
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000


@pytest.mark.parametrize(
    ("locale", "theme", "width", "wanted"),
    [
        pytest.param("en-US", "light", 1280, "KV cache", marks=pytest.mark.slow),
        ("zh-CN", "dark", 390, "kv缓存"),
    ],
)
def test_a_term_is_found_from_home_and_gone_to(
    open_page: OpenPage, locale: str, theme: str, width: int, wanted: str
) -> None:
    page = open_page(locale=locale, theme=theme, width=width)
    field = page.locator(".st-key-search input")
    field.fill(wanted)
    field.press("Enter")
    page.wait_for_url("**/search?**", timeout=PATIENCE)
    found = page.locator(".st-key-found a[href^='glossary#']").first
    expect(found).to_be_visible(timeout=PATIENCE)
    settle(page)
    check_page(page)
    place = str(found.get_attribute("href")).partition("#")[2]
    found.click()  # within the session, as the menu does it
    page.wait_for_url("**/glossary?**", timeout=PATIENCE)
    term = page.locator(f"#{place}")
    expect(term).to_be_focused(timeout=PATIENCE)
    expect(term).to_be_in_viewport()
    assert len(page.context.pages) == 1


@pytest.mark.slow
def test_an_experiment_that_is_still_locked_has_its_step_instead(open_page: OpenPage) -> None:
    page = open_page("/search")
    field = page.locator(".st-key-search-large input")
    field.fill("Q6 decode")
    field.press("Enter")
    page.locator(".st-key-found a[href='q06_gqa#lab-decode']").click(timeout=PATIENCE)
    title = load_question("q06_gqa").title["en"]
    expect(page.get_by_role("heading", level=1)).to_have_text(title, timeout=PATIENCE)
    expect(page.locator("#predict").or_(page.locator("#answer")).first).to_be_in_viewport(timeout=PATIENCE)
