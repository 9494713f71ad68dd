"""A page asks the store as often, and draws as much, however much was done before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event
from streamlit.testing.v1 import AppTest

import pages.ui.progress.sidebar  # noqa: F401  a server has it after its first page
from pages.ui.site.newest import FEW
from study.store import Store
from tests.pages.addresses import ADDRESSES, WINDOWS, visit
from tests.pages.conftest import OpenApp
from tests.pages.history import History, fill

BEFORE = History(FEW + 2, FEW + 2, FEW + 2)
"""Enough that every list is at its end."""
MORE = History(FEW, FEW, FEW)
KEPT = "progress.kept"
PAGES = (
    *(page for page in ADDRESSES if page and page[0] != "q" and page not in WINDOWS),
    "q01_loss_mask",
    "",
)
"""Home is the last: only once plotly is imported it has its chart."""


@contextmanager
def queries() -> Iterator[list[str]]:
    """Every statement to any database from now on."""
    said: list[str] = []

    def note(_connection, _cursor, statement: str, *_rest) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield said
    event.remove(Engine, "before_cursor_execute", note)


def cost(app: AppTest) -> tuple[int, int]:
    """Statements and elements of a run that knows nothing yet, as after another window's work."""
    if KEPT in app.session_state:
        del app.session_state[KEPT]
    with queries() as asked:
        app.run()
    assert not app.exception and not app.error
    return len(asked), sum(1 for _ in app)


@pytest.fixture
def owner(study: Store) -> str:
    """Somebody who did much at question 1 alone."""
    person = study.profiles.named_or_new("Me").id
    fill(study, person, BEFORE, questions=1)
    return person


def test_a_page_costs_the_same_after_twice_the_history(open_app: OpenApp, study: Store, owner: str) -> None:
    app = open_app(folded=True)
    before = {page: cost(visit(app, page)) for page in PAGES}
    fill(study, owner, MORE, questions=1)
    after = {page: cost(visit(app, page)) for page in PAGES}
    assert after == before


def test_interviews_are_compared_with_as_many_questions_to_the_store(
    open_app: OpenApp, study: Store, owner: str
) -> None:
    app = open_app("interview", folded=True)
    app.toggle(key="compare.shown").set_value(True).run()
    before = cost(app)
    fill(study, owner, MORE, questions=1)
    assert cost(app) == before
    app.button(key="compare.all").click().run()
    assert len(app.table[0].value) == BEFORE.interviews + MORE.interviews


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_rest_of_a_list_is_there_for_who_asks(
    open_app: OpenApp, study: Store, owner: str, lang: str
) -> None:
    app = open_app("interview", lang=lang, folded=True)
    shown = [button for button in app.button if (button.key or "").startswith("interview.show.")]
    assert len(shown) == FEW
    app.button(key="interview.earlier.all").click().run()
    shown = [button for button in app.button if (button.key or "").startswith("interview.show.")]
    assert len(shown) == BEFORE.interviews
    assert "interview.earlier.all" not in {button.key for button in app.button}
