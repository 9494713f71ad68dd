"""Who only looks leaves nothing behind: a profile is made for the first thing that is saved."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from pages.ui.site import store
from study.store import Store
from tests.pages.addresses import visit
from tests.pages.conftest import OpenApp

PAGES = ("", "q06_gqa", "q13_sampling", "playground", "settings")


def rows(study: Store) -> int:
    with study._database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM profiles")).scalar_one())


@pytest.fixture
def no_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a crawler comes, from elsewhere and without the name that a page gives."""
    monkeypatch.setattr(store, "identity", lambda: "session")


@pytest.mark.parametrize("page", PAGES)
def test_a_visit_without_a_cookie_makes_no_row(
    open_app: OpenApp, study: Store, no_cookie: None, page: str
) -> None:
    app = open_app(page)
    app.run()
    assert not app.exception and not app.error and rows(study) == 0


def test_the_first_thing_that_is_saved_makes_one(open_app: OpenApp, study: Store, no_cookie: None) -> None:
    app = open_app("q06_gqa")
    app.button(key="q06.hint").click().run()
    app.run()
    assert not app.exception and rows(study) == 1


def test_deleting_leaves_none(open_app: OpenApp, study: Store, no_cookie: None) -> None:
    app = open_app("q06_gqa")
    for saved in (False, True):
        if saved:
            visit(app, "q06_gqa").button(key="q06.hint").click().run()
            assert rows(study) == 1
        visit(app, "settings")
        app.button(key="settings.delete.data").click().run()
        app.button(key="settings.really.data").click().run()
        app.run()
        assert not app.exception and not app.error and rows(study) == 0
