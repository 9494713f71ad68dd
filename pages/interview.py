"""Interview: somebody asks, somebody else answers on a shared screen. The interviewer's page."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview import kept, setup
from pages.ui.site import away
from pages.ui.site.arrive import at_step
from study.store import Interview, StoreError

_HERE = "interview.here"


def page() -> None:
    """Draw what the interview is at: its console, the scorecard once it is over, or the way to a new one."""
    try:
        interviews = kept.interviews()
        interview = _wanted(interviews)
        if interview is None:
            setup.draw(interviews)
        elif interview.finished is None:
            from pages.ui.interview import console  # with the lab's parts, which nobody needs before

            console.draw(interview)
        else:
            from pages.ui.interview import after

            after.draw(interview)
        _arrive(f"{interview.id}{interview.finished is None}" if interview else "")
    except StoreError as error:
        away.say(error)


def _wanted(interviews: tuple[Interview, ...]) -> Interview | None:
    """The one that was asked for; else, after a reload, the newest that is still going on.

    It stays the one that is shown when another device ends it.
    """
    if setup.SHOWN not in st.session_state:
        st.session_state[setup.SHOWN] = next((each.id for each in interviews if each.finished is None), "")
    return next((each for each in interviews if each.id == st.session_state[setup.SHOWN]), None)


def _arrive(here: str) -> None:
    """Another stage of the page begins at its top."""
    before = st.session_state.get(_HERE)
    st.session_state[_HERE] = here
    at_step("top" if before not in (None, here) else None)


page()
