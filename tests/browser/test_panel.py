"""A sealed ticket in two windows, a panel of two, two consoles, by keyboard alone, in a real Chromium.

One window reads English by day on a laptop, the other Chinese at night on a phone; axe looks at each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from pages.ui.interview.panel_lines import to_tick
from pages.ui.words.i18n import catalogue
from questions import Renderer, RubricLine, load_question
from study import interview as led
from study.store import Interview, Store, open_store
from tests.browser.conftest import READERS, free_port, opened_in, reader, running_app, settle
from tests.browser.test_pages import check_page
from tests.browser.test_survival import tab_to

pytestmark = pytest.mark.timeout(600)

Q6, Q13 = load_question("q06_gqa"), load_question("q13_sampling")
FIRST, SECOND = to_tick(Q6)[:2]


def word(key: str, lang: str, **values: str) -> str:
    """What the pages call something, as a pattern; values are patterns too."""
    parts = re.split(r"\{(\w+)\}", catalogue(lang)[key])
    return "".join(values[part] if place % 2 else re.escape(part) for place, part in enumerate(parts))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("panel")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[str]:
    with running_app(folder, free_port()) as address:
        yield address


@pytest.fixture
def store(app: str, folder: Path) -> Iterator[Store]:
    kept = open_store(f"sqlite:///{folder}/study.sqlite3")
    yield kept
    kept.close()


def begun(store: Store, key: str) -> Interview:
    """An interview at a question, agreed to; the one before is over."""
    owner = store.profiles.named_or_new("Me").id
    for earlier in store.interviews.of(owner):
        store.interviews.finish(earlier, led.FINISHED)
    interview = store.interviews.begin(owner, "Grace", 45, (key,))
    store.interviews.add(interview, led.CONSENTED)
    store.interviews.add(interview, led.SHOWN, key)
    return interview


class Windows:
    """Pages of the app as one of READERS sees them, each with a session of its own."""

    def __init__(self, readers: Mapping[str, BrowserContext], app: str) -> None:
        self._readers, self._app = readers, app
        self._pages: list[Page] = []
        self.wrong: list[str] = []

    def open(self, path: str, lang: str) -> Page:
        joint = "&" if "?" in path else "?"
        page = opened_in(self._readers[lang], self._app, f"{path}{joint}lang={lang}", self.wrong)
        self._pages.append(page)
        return page

    def close(self) -> None:
        for page in self._pages:
            page.close()


@pytest.fixture(scope="module")
def readers(chromium: Browser) -> dict[str, BrowserContext]:
    """A browser profile for each language: it reads the app's scripts once, half of what a window costs."""
    return {lang: reader(chromium, **look) for lang, look in READERS.items()}


@pytest.fixture
def windows(readers: dict[str, BrowserContext], app: str) -> Iterator[Windows]:
    """Closed at the end; nothing may have gone wrong in any of them."""
    found = Windows(readers, app)
    yield found
    found.close()
    assert not found.wrong, "\n".join(found.wrong)


def press(page: Page, name: str, key: str = "Enter") -> None:
    """Press what has this name, by keyboard; the page has settled before, and has so after."""
    tab_to(page, f"(?s:{name})")
    page.keyboard.press(key)
    settle(page)


def line(which: RubricLine, lang: str) -> str:
    """How the name of a line's box begins."""
    return re.escape(Renderer(Q6, lang).text(which.text)[:12]) + ".*"


def link_in(shown: Locator) -> str:
    """The link in an address that a page shows."""
    return re.findall("link=([^&]+)", shown.inner_text().replace("\n", ""))[0]


@pytest.mark.parametrize(
    ("leads", "answers"), [("en", "zh"), pytest.param("zh", "en", marks=pytest.mark.slow)]
)
def test_a_ticket_is_drawn_answered_and_measured_in_two_windows(
    store: Store, windows: Windows, leads: str, answers: str
) -> None:
    interview = begun(store, Q13.key)
    console = windows.open("/interview", leads)
    candidate = windows.open(f"/present?link={interview.link}", answers)
    press(console, word("ticket.draw", leads))
    field = candidate.locator("[class*='st-key-q13-ticket'] input").first
    field.wait_for()
    check_page(candidate)
    settle(candidate)
    tab_to(candidate, re.escape(field.get_attribute("aria-label") or "") + ".*")
    candidate.keyboard.type("1.5")
    labels = (word("predict.commit", answers), word("predict.commit_all", answers, made=".*"))
    press(
        candidate, "|".join(labels)
    )  # which of them stands there depends on how soon the page read the field
    candidate.get_by_text("python -m labs run --ticket").wait_for(timeout=90_000)
    expect(console.locator(".st-key-interview-work-q13")).to_contain_text(
        re.compile(word("interview.said", leads, said=r"1\.5.*", measured=r"\d.*"))
    )
    expect(console.locator("[class*='st-key-interview-ticket-'] button")).to_have_count(0)
    settle(candidate)
    check_page(candidate)
    check_page(console)


@pytest.mark.parametrize(
    ("leads", "first", "second"), [("en", "zh", "en"), pytest.param("zh", "en", "zh", marks=pytest.mark.slow)]
)
def test_two_members_tick_blind_and_see_afterwards_where_they_differ(
    store: Store, windows: Windows, leads: str, first: str, second: str
) -> None:
    begun(store, Q6.key)
    console = windows.open("/interview", leads)
    press(console, ".*" + word("panel.members", leads))
    for name in ("Barbara", "Charles"):
        tab_to(console, word("panel.name", leads))
        console.keyboard.type(name)
        press(console, word("panel.invite", leads))
    links = console.locator(".st-key-panel-members [data-testid=stCode]")
    expect(links).to_have_count(2)
    check_page(console)
    barbara, charles = (
        windows.open(f"/panel?link={link_in(shown)}", lang)
        for lang, shown in zip((first, second), links.all(), strict=True)
    )
    press(barbara, line(FIRST, first), "Space")
    press(charles, line(SECOND, second), "Space")
    expect(charles.get_by_role("checkbox", checked=True)).to_have_count(1)
    check_page(barbara)
    for page, lang in ((barbara, first), (charles, second)):
        press(page, word("panel.hand_in", lang))
        press(page, word("panel.hand_in_now", lang))
        expect(page.get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_role("table")).to_have_count(0)
    press(console, word("interview.end", leads))
    press(console, word("interview.end_now", leads))
    expect(console.get_by_text("α =")).to_be_visible()
    for page, lang in ((barbara, first), (charles, second)):
        press(page, word("panel.look", lang))
        rows = page.locator(".st-key-panel-map-q06 tbody tr")
        expect(rows).to_have_count(2)
        assert rows.first.locator("td").first.bounding_box()["width"] > 150, "a line is more than a word wide"
        expect(page.get_by_text("α =")).to_be_visible()
        check_page(page)


@pytest.mark.parametrize(
    ("leads", "elsewhere"), [("en", "zh"), pytest.param("zh", "en", marks=pytest.mark.slow)]
)
def test_an_interview_is_led_from_a_second_device_until_that_is_shut_out(
    store: Store, windows: Windows, leads: str, elsewhere: str
) -> None:
    begun(store, Q6.key)
    console = windows.open("/interview", leads)
    press(console, ".*" + word("console.door", leads))
    press(console, word("console.open", leads))
    door = console.locator(".st-key-interview-console-door")
    device = windows.open(f"/console?link={link_in(door.get_by_test_id('stCode'))}", elsewhere)
    check_page(device)
    press(device, line(FIRST, elsewhere), "Space")
    box = console.get_by_role("checkbox", name=re.compile(line(FIRST, leads)))
    expect(box).to_be_checked()  # by the first console's own look, a moment later
    check_page(console)
    press(console, word("console.close", leads))
    expect(device.get_by_text(catalogue(elsewhere)["console.no_link"])).to_be_visible()
    expect(device.get_by_role("checkbox")).to_have_count(0)
