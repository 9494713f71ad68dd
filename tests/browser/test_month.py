"""A month of reviews towards an interview, day by day on a clock that the test sets, in both languages.

All questions were scored on the first day. What is due moves with the answers, the last five days bring every
question once more and a card each, and on the day itself the sheet and the Anki file can be taken along.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pages.ui.words.i18n import catalogue
from questions import Renderer, load_questions
from questions.checklist import Card, checklist
from questions.counted import fill_counted
from study.deck import order, read
from study.plan import MOST_LAST_DAYS
from study.store import Attempt, Store, open_store
from tests.browser.clock import Clock
from tests.browser.conftest import READERS, free_port, opened, running_app, settle
from tests.browser.test_pages import check_page

pytestmark = pytest.mark.timeout(600)

MONTH = 30


@dataclass(frozen=True)
class Month:
    """A page of an app whose clock is set, and the store behind it."""

    page: Page
    clock: Clock
    store: Store
    language: str

    def words(self, key: str, **values: object) -> str:
        """What the app says for `key`; up to the first value where `values` has none for it."""
        text = catalogue(self.language)[key]
        return fill_counted(text, values) if values else text.partition("{")[0]

    @property
    def day(self) -> str:
        """The day that the app has now; a narrow column does not break it."""
        return datetime.datetime.fromtimestamp(self.clock.now(), datetime.UTC).date().isoformat()

    def go(self, address: str) -> None:
        """Another page by the menu, drawn at the time that it is now."""
        self.page.locator(f"[data-testid=stSidebarNav] a[href$='/{address}']").click()
        self.page.wait_for_url(f"**/{address}?**")
        settle(self.page)

    def rows(self, table: str) -> list[list[str]]:
        """The cells of a table, row by row, without its head."""
        rows = self.page.locator(f".st-key-{table} tbody tr")
        rows.first.wait_for()
        return [[cell.replace("\N{WORD JOINER}", "") for cell in row.locator("td").all_inner_texts()]
                for row in rows.all()]  # fmt: skip

    def times(self, card: Card) -> int:
        """How often a card was answered."""
        kept = self.store.drafts.get(self.store.profiles.named_or_new("Me").id, "deck", card.id)
        return len(read(kept.text)) if kept else 0

    def score(self, *names: str) -> None:
        """Answer these questions well now, as their pages would."""
        me = self.store.profiles.named_or_new("Me").id
        for question in load_questions():
            if question.id in names:
                moment = self.clock.now()
                self.store.attempts.add(
                    Attempt(me, f"{question.key}-{moment:.0f}", question.key, moment, moment, finished=moment,
                            text="In one sentence.", help_used=("reference",), tier=80)
                )  # fmt: skip


@pytest.fixture(params=["en", "zh"])
def month(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Iterator[Month]:
    """On the first day, on the page of progress, after every question was scored."""
    wrong: list[str] = []
    look = READERS[request.param] | {"width": 1280}  # the menu beside the page
    clock, kept = Clock(tmp_path), open_store(f"sqlite:///{tmp_path}/study.sqlite3")
    with running_app(tmp_path, free_port(), **clock.environment) as app:
        ids = [question.id for question in load_questions() if question.written]
        Month(None, clock, kept, request.param).score(*ids)  # type: ignore[arg-type]
        page = opened(chromium, app, f"/progress?lang={request.param}", wrong, **look)
        yield Month(page, clock, kept, request.param)
        page.context.close()
    kept.close()
    assert not wrong, "\n".join(wrong)


def test_a_month_of_reviews_brings_everything_once_more_before_the_interview(
    month: Month, tmp_path: Path
) -> None:
    choose_the_day(month)
    a_wrong_card_comes_again_and_moves_on_once_it_is_right(month)
    month.clock.move(days=MONTH - MOST_LAST_DAYS - 1)
    the_last_days(month)
    month.go("progress")
    expect(month.page.get_by_text(month.words("review.today"))).to_be_visible()
    take_along(month, tmp_path)


def choose_the_day(month: Month) -> None:
    on = datetime.date.fromisoformat(month.day) + datetime.timedelta(days=MONTH)
    month.page.get_by_test_id("stDateInput").get_by_role("spinbutton").first.focus()
    month.page.keyboard.type(f"{on:%Y%m%d}")
    month.page.get_by_role("heading", level=1).click()  # the day counts once the field is left
    expect(month.page.get_by_text(month.words("review.plan", days=MONTH))).to_be_visible()
    assert month.words("review.now") not in {row[3] for row in month.rows("reviews")}, (
        "nothing is due on the first day"
    )
    once_more = {name for row in month.rows("plan")[-MOST_LAST_DAYS:] for name in named(row[3])}
    assert once_more == {question.id for question in load_questions() if question.written}
    look_on_a_phone(month)


def look_on_a_phone(month: Month) -> None:
    """Nothing of the page that is open is cut or hinders anybody; then it is wide again, with the menu."""
    for width in (390, 1280):
        month.page.set_viewport_size({"width": width, "height": 900})
        settle(month.page)
        check_page(month.page)


def a_wrong_card_comes_again_and_moves_on_once_it_is_right(month: Month) -> None:
    month.go("deck")
    first = answer(month, right=False)
    second = answer(month, right=True)
    due = {row[0]: row[3] for row in month.rows("deck-cards")}
    assert len(due) == 2 and month.day < due[title(first, month)] < due[title(second, month)]
    month.clock.move(days=1)
    month.go("progress")
    month.go("deck")
    assert {row[0]: row[3] for row in month.rows("deck-cards")}[title(first, month)] == month.words(
        "review.now"
    )
    assert answer(month, right=True) == first, "what is due comes before what was never asked"
    later = {row[0]: row[3] for row in month.rows("deck-cards")}
    assert later[title(first, month)] > due[title(first, month)]
    look_on_a_phone(month)


def the_last_days(month: Month) -> None:
    """Each day brings its share of the questions, which do not come back, and a card."""
    left = {question.id for question in load_questions() if question.written}
    for days in range(MOST_LAST_DAYS, 0, -1):
        month.go("progress")
        expect(month.page.get_by_text(month.words("review.plan", days=days))).to_be_visible()
        plan = month.rows("plan")
        today = named(plan[0][3])
        assert plan[0][0] == month.day and today
        assert {name for row in plan for name in named(row[3])} == left, "once more, and no more than once"
        month.score(*today)
        left -= set(today)
        month.go("deck")
        answer(month, right=True)
        month.clock.move(days=1)
    assert not left


def take_along(month: Month, folder: Path) -> None:
    """The sheet on paper has the formulas and no controls; the file has every card of the checklist."""
    month.go("sheet")
    with month.page.expect_download() as download:
        month.page.get_by_role("button", name=month.words("sheet.save")).click()
    file = folder / "anki.txt"
    download.value.save_as(file)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    notes = list(csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t"))
    assert {note[0].partition("-card-")[2] for note in notes} - {""} == {card.id for card in checklist()}
    assert all(re.match(f"minimind-{month.language}-q", note[0]) for note in notes)
    month.page.emulate_media(media="print")
    expect(month.page.locator(".st-key-sheet-q06")).to_be_visible()
    expect(month.page.locator(".st-key-sheet-controls")).to_be_hidden()


def answer(month: Month, *, right: bool) -> Card:
    """Answer the card in view by keyboard, see what is said of it, ask for the next; returns the card."""
    page, box = month.page, month.page.locator(".st-key-card")
    front = box.locator("strong").first.inner_text()
    card = next(card for card in checklist() if shown(card, month) == front)
    if card.choices:
        place = (card.right if right else card.right + 1) % len(card.choices)
        wanted = order(card, month.times(card)).index(place)
        tab_into_card(page, "input[type=radio]")
        page.keyboard.press("Space")
        for _ in range(wanted):
            page.keyboard.press("ArrowDown")
        expect(box.get_by_role("radio").nth(wanted)).to_be_checked()
    else:
        question = next(question for question in load_questions() if question.id == card.question)
        number = card.number(question)
        tab_into_card(page, "input[type=text]")
        page.keyboard.type(repr(number if right else 2 * number + 1))
    tab_into_card(page, "button")
    page.keyboard.press("Enter")
    expect(box.get_by_text(month.words("deck.right" if right else "deck.wrong"))).to_be_visible()
    settle(page)
    tab_into_card(page, "button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=month.words("deck.next"))).to_have_count(0)
    settle(page)
    return card


def tab_into_card(page: Page, control: str) -> None:
    """Press Tab until a control of the card has the focus."""
    focused = "control => document.activeElement.matches(`.st-key-card ${control}`)"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(focused, control):
            return
    raise AssertionError(f"Tab never comes to {control} of the card")


def shown(card: Card, month: Month) -> str:
    """The front as it is read."""
    question = next(question for question in load_questions() if question.id == card.question)
    return Renderer(question, month.language).text(card.front).replace("`", "")


def title(card: Card, month: Month) -> str:
    """The front in the table of all cards."""
    return f"{card.question} · {shown(card, month)}"


def named(cell: str) -> list[str]:
    """The questions of a cell of the plan."""
    return re.findall(r"Q\d+", cell)
