"""What a run of a page asks again and again is worked out once in it, and anew after every write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection
from streamlit import config
from streamlit.testing.v1 import AppTest

from study.store import Store
from study.store.database import Database
from tests.pages.conftest import OpenApp, settle_predictions

MOST_READS = 14
"""Of a question's page; it read the attempts thirteen times before, which with its drafts made 22."""


def asking_script() -> None:
    import streamlit as st

    from pages.ui.site.once import once

    made = st.session_state.setdefault("made", [])

    def make(state: str) -> str:
        made.append(state)
        return state.upper()

    def on_click() -> None:
        once("text", "a", lambda: make("a"))

    st.button("Again", on_click=on_click)
    said = [once("text", state, lambda state=state: make(state)) for state in ("a", "a", "b", "b")]
    st.text(" ".join(said))


def test_a_run_works_out_once_what_depends_on_one_state() -> None:
    app = AppTest.from_function(asking_script, default_timeout=30).run()
    assert app.text[0].value == "A A B B" and app.session_state["made"] == ["a", "b"]
    app.button[0].click().run()
    assert app.session_state["made"] == ["a", "b", "a", "b"], "a click's callback is of the run it begins"


def test_a_page_reads_the_store_a_few_times(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_predictions("q06_gqa")
    app = open_app("q06_gqa")
    reads = []
    read = Database.read

    @contextmanager
    def counted(self: Database) -> Iterator[Connection]:
        reads.append(1)
        with read(self) as connection:
            yield connection

    monkeypatch.setattr(Database, "read", counted)
    app.run()
    assert 0 < len(reads) <= MOST_READS


def test_every_write_makes_the_next_look_read_again(study: Store) -> None:
    before = study.state
    assert study.state == before
    person = study.profiles.named_or_new("Me").id
    after = study.state
    assert after != before
    with pytest.raises(RuntimeError), study.attempts._database.write():
        raise RuntimeError
    assert study.state != after, "also one that failed: nobody knows how far it came"
    assert study.attempts.of(person) == ()


def test_what_a_callback_wrote_is_on_the_page_that_it_draws(open_app: OpenApp, study: Store) -> None:
    """The callback looks at the attempts before it writes, and the page after it."""
    app = open_app("q13_sampling")
    app.button(key="q13-predictions-skip").click().run()
    [attempt] = study.attempts.of(app.session_state["profile"], "q13")
    assert not any(attempt.predictions.values()) and attempt.predictions
    assert "q13-predictions-skip" not in [button.key for button in app.button], "the form is gone"


def test_no_run_ends_with_a_collection_of_all_garbage() -> None:
    """It looks at what every session holds: 37 of the 51 ms of a slider's step beside fifty sessions."""
    assert config.get_option("runner.postScriptGC") is False
