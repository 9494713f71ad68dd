"""The page of claims while something is away: the worker that checks them, the database of the attempts.

Both are faults that a reader meets in the middle; what stood on the page is there again afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pages.ui.words.i18n import catalogue
from questions import load_question
from study.progress import REFERENCE
from study.store import Store, open_store
from tests.browser import soak
from tests.browser.conftest import READERS, free_port, opened, running_app, settle
from tests.browser.processes import at_a_crawl, web_process, worker_of
from tests.browser.test_pages import check_page
from tests.study import postgres
from tests.study.relay import Relay, relaying

pytestmark = pytest.mark.timeout(600)

Q13 = load_question("q13_sampling")
AWAY = {"en": "does not answer", "zh": "没有应答"}
KILLED = {"en": "The worker was killed", "zh": "工作进程被系统杀掉了"}


def open_reference(store: Store) -> None:
    """Of question 13 only, as somebody leaves it who has measured and then read on."""
    attempt = store.attempts.open(store.profiles.named_or_new("Me").id, Q13.key)
    for prediction in Q13.predictions:
        store.attempts.predict(attempt, prediction.id, None)
        attempt = store.attempts.measure(attempt, prediction.id, 1.0)
    store.attempts.update(attempt, help_used=[REFERENCE])
    store.close()


@contextlib.contextmanager
def claims(chromium: Browser, app: str, lang: str) -> Iterator[Page]:
    """The page as one of READERS sees it; nothing may go wrong in it but what is said."""
    wrong: list[str] = []
    page = opened(chromium, app, f"/claims?lang={lang}", wrong, **READERS[lang])
    yield page
    page.context.close()
    assert not wrong, "\n".join(wrong)


def fold(page: Page) -> Locator:
    return page.locator("details").filter(has_text="Q13 ·").first


def check_button(page: Page) -> Locator:
    return page.locator(f".st-key-claims-{Q13.key}-check button")


@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=pytest.mark.slow)])
def test_a_worker_that_dies_in_a_check_is_a_sentence_and_the_check_can_be_made_again(
    chromium: Browser, tmp_path: Path, lang: str
) -> None:
    open_reference(open_store(f"sqlite:///{tmp_path}/study.sqlite3"))
    with running_app(tmp_path, free_port()) as app, claims(chromium, app, lang) as page:
        fold(page).locator("summary").first.click()
        expect(check_button(page)).to_be_visible()
        soak.write_once(app)
        worker = worker_of(web_process(app))
        with at_a_crawl(worker):
            check_button(page).click()
            expect(check_button(page)).to_have_count(0)
            under_way = page.get_by_test_id("stProgress")
            expect(under_way).to_contain_text("Q13-C")  # one that had not begun would begin again elsewhere
            worker.kill()
        expect(page.get_by_role("alert")).to_contain_text(KILLED[lang])
        expect(check_button(page)).to_be_visible()  # the fold has stayed open
        settle(page)
        check_page(page)
        check_button(page).click()
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(fold(page).locator("summary").first).to_contain_text(
            catalogue(lang)["claims.made.agree"].partition("}")[2].strip()
        )
        settle(page)
        check_page(page)


@contextlib.contextmanager
def database() -> Iterator[tuple[str, Relay]]:
    """The address of an empty database, and what can make it fall silent."""
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip("there is no PostgreSQL server here: `make system` installs Debian's")
    with postgres.serving(binaries) as address:
        [folder] = parse_qs(urlsplit(address).query)["host"]
        with relaying(f"{folder}/.s.PGSQL.5432") as relay:
            yield f"postgresql+psycopg://study@127.0.0.1:{relay.port}/postgres", relay


@pytest.mark.parametrize("lang", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_while_the_database_is_silent_one_sentence_says_so_and_all_is_there_again(
    chromium: Browser, tmp_path: Path, lang: str
) -> None:
    with database() as (address, relay):
        open_reference(open_store(address))
        with (
            running_app(tmp_path, free_port(), MINIMIND_DATABASE=address) as app,
            claims(chromium, app, lang) as page,
        ):
            expect(fold(page)).to_be_visible()
            relay.silent.set()
            fold(page).locator("summary").first.click()
            expect(page.get_by_role("alert")).to_contain_text(AWAY[lang])
            expect(page.get_by_role("alert")).to_have_count(1)
            expect(fold(page)).to_have_count(0)  # nor is anything shown as if there were no attempt
            settle(page)
            check_page(page)
            relay.silent.clear()
            expect(fold(page)).to_be_visible()  # by itself, without a reload
            if not fold(page).evaluate("fold => fold.open"):
                fold(page).locator("summary").first.click()
            expect(fold(page)).to_contain_text(f"{Q13.claims[0].id} ·")
            expect(page.get_by_role("alert")).to_have_count(0)
