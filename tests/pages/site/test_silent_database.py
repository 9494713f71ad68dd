"""A database that hangs costs a page seconds and a sentence; the answer's field stays, and work goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.site import store
from study.store import Store, data_folder, open_store
from tests.pages.conftest import OpenApp
from tests.study.relay import relaying

Q6 = "q06_gqa"


def has_field(app: AppTest) -> bool:
    names = [component.proto.component_name for component in app.get("bidi_component")]
    return names.count("draft") == 1 and not app.exception


def test_a_server_that_never_answers(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.opened.clear()
    with relaying(None) as nobody, monkeypatch.context() as silent:
        silent.setenv("MINIMIND_DATABASE", f"postgresql://study@127.0.0.1:{nobody.port}/postgres")
        app = open_app(Q6)  # within its 30 s
        assert has_field(app) and len(app.error) == 1
        assert app.error[0].value.endswith("does not answer: check that it runs and lets us in.")
        others = [open_app(Q6) for _ in range(3)]
        assert all(has_field(other) and len(other.error) == 1 for other in others)
        assert nobody.connections == 1, "the others were told at once"
    app.run()
    assert has_field(app) and not app.error


def test_a_file_that_another_program_holds(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.close()
    store.opened.clear()
    monkeypatch.setattr(store, "open_store", partial(open_store, busy_seconds=0.05))
    store.store()
    with closing(sqlite3.connect(data_folder() / "study.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        app = open_app(Q6)
        assert has_field(app) and len(app.error) == 1 and "Another program holds" in app.error[0].value
    app.run()
    assert has_field(app) and not app.error
