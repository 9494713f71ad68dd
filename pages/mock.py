"""Mock interview: alone, against the clock, without help until the end; then scored like any other answer."""

from __future__ import annotations

import streamlit as st

from pages.ui.mock import exam, kept, setup
from pages.ui.site import away
from pages.ui.site.arrive import at_step
from study.mock import Mock
from study.store import StoreError

_HERE = "mock.here"


def page() -> None:
    """Draw what the interview is at: one that runs, one to look back at, or the way to a new one."""
    try:
        mocks = kept.mocks()
        if running := _running(mocks):
            exam.draw(running)
            _arrive(running.at)
        elif finished := _finished(mocks):
            from pages.ui.mock import after  # with the lab's parts, which nobody needs before the end

            after.draw(finished)
            _arrive(finished.id)
        else:
            setup.draw(mocks)
            _arrive("")
    except StoreError as error:
        if running := _running(kept.last_known()):
            exam.draw(running)  # which says what is wrong
        else:
            away.say(error)


def _arrive(here: str) -> None:
    """Another question, and what comes before and after them, begins at the top of the page."""
    before = st.session_state.get(_HERE)
    st.session_state[_HERE] = here
    at_step("top" if before not in (None, here) else None)


def _running(mocks: list[Mock]) -> Mock | None:
    return next((mock for mock in mocks if mock.finished is None), None)


def _finished(mocks: list[Mock]) -> Mock | None:
    """The one that was asked for; else the newest, while an answer of it is still to be scored."""
    wanted = st.session_state.get(setup.SHOWN)
    if wanted is not None or not mocks:
        return next((mock for mock in mocks if mock.id == wanted), None)
    scores = [attempt.tier for attempt in kept.attempts(mocks[0]).values()]
    return mocks[0] if None in scores else None


page()
