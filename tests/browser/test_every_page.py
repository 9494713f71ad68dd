"""Every page in both languages, in a real Chromium: nothing leaves the machine, nothing hinders a reader.

No Markdown sign, no `nan` and no word of the other language is left on screen.
First as a new visitor sees them, on a wide light screen in English; then with every lab open, on a dark
phone in Chinese. After all that the web process is still small.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import soak
from tests.browser.conftest import free_port, running_app, settle, watch
from tests.browser.processes import web_process
from tests.browser.test_pages import check_page
from tests.pages.addresses import ADDRESSES, WINDOWS
from tests.pages.shown_words import stumbled_over

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000
PAGES = tuple(address for address in ADDRESSES if address not in WINDOWS)
"""What a visitor opens; the candidate's window is opened by an interview."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("pages")
    with running_app(folder, free_port()) as address:
        yield address, folder


ELSEWHERE = "pre, code, script, style, svg, textarea, .katex, .sample, .wall, body [lang], " + ", ".join(
    f".st-key-{key}" for key in ("examples", "lang", "settings-lang")
)
"""Code, formulas, plots, what the reader or the model wrote, and what is in another language on purpose."""
TEXTS = f"""() => [...document.querySelectorAll('body *')].flatMap(element => [...element.childNodes]
    .filter(node => node.nodeType === 3 && node.data.trim() && element.checkVisibility()
        && !element.closest('{ELSEWHERE}'))
    .map(node => node.data.trim()))"""
"""All other words on screen."""


def check_words(page: Page, lang: str) -> None:
    """No raw sign, and nothing in the other language."""
    texts = page.evaluate(TEXTS)
    assert texts
    found = [text for text in texts if stumbled_over(text, lang)]
    assert not found, found


def visit_all(page: Page, address: str, lang: str) -> None:
    """The first by its address, the others by their links in the menu, which a phone folds away."""
    found: list[str] = []
    watch(page, address, found)
    page.goto(f"{address}/?lang={lang}")
    for path in PAGES:
        link = page.locator(f"[data-testid=stSidebarNavLink][href='{address}/{path}']")
        link.evaluate("link => link.click()")
        link.and_(page.locator("[aria-current=page]")).wait_for(state="attached", timeout=PATIENCE)
        settle(page)
        page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
        try:
            check_page(page)
            check_words(page, lang)
        except AssertionError as error:
            found.append(f"{path}: {error}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("lang", "theme", "width", "labs_open"),
    [pytest.param("en", "light", 1280, False, marks=pytest.mark.slow), ("zh", "dark", 390, True)],
)
def test_every_page_is_calm_and_stays_on_this_machine(
    app: tuple[str, Path], chromium: Browser, lang: str, theme: str, width: int, labs_open: bool
) -> None:
    address, folder = app
    if labs_open:
        soak.open_the_labs(folder)
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    visit_all(context.new_page(), address, lang)
    context.close()
    size = soak.check_web_process(web_process(address))
    print(f"web process {size:.0f} MB")
