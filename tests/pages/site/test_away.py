"""Whatever page says that the store does not answer is there again by itself once it does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import streamlit as st

from pages.ui.site import away, store
from questions import load_questions
from study.store import Store, StoreError
from tests.pages.addresses import ADDRESSES
from tests.pages.conftest import OpenApp

SILENT = "The database does not answer: check that it runs and lets us in."
STUDY_PAGES = {question.slug for question in load_questions()}
"""Their field asks the store again with every key and every few seconds, and the page comes with it."""
Look = Callable[[], None]


def silent() -> Store:
    raise StoreError(SILENT, key="store.silent", place="The database")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    """What pages would call at intervals."""
    found: list[Look] = []

    def fragment(look: Look, *, run_every: float) -> Look:
        found.append(look)
        return look

    ours = SimpleNamespace(error=st.error, fragment=fragment, rerun=lambda: None)
    monkeypatch.setattr(away, "st", ours)
    return found


@pytest.mark.parametrize("address", [each for each in ADDRESSES if each not in STUDY_PAGES])
def test_a_page_without_its_store_looks_for_it_and_is_drawn_anew(
    open_app: OpenApp, study: Store, monkeypatch: pytest.MonkeyPatch, looks: list[Look], address: str
) -> None:
    open_app()
    looks.clear()
    with monkeypatch.context() as cut:
        cut.setattr(store, "store", silent)
        app = open_app(address)
        assert not app.exception
        said = [error.value for error in app.error]
        assert said in ([], [SILENT]) and bool(looks) == bool(said)
        for look in looks:
            look()  # still silent: nothing is drawn
    drawn: list[bool] = []
    monkeypatch.setattr(away.st, "rerun", lambda: drawn.append(True))
    for look in looks:
        look()
    assert len(drawn) == len(looks)


def test_what_somebody_has_to_mend_is_not_looked_for(
    open_app: OpenApp, monkeypatch: pytest.MonkeyPatch, looks: list[Look]
) -> None:
    def full() -> Store:
        raise StoreError("The disk is full.", key="store.full", place="The database")

    open_app()
    looks.clear()
    monkeypatch.setattr(store, "store", full)
    assert [error.value for error in open_app("progress").error] == ["The disk is full."] and not looks
