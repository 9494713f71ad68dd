"""Going to another page from a button, and the addresses to go to.

A page is named by its address, such as "q06_gqa", whether it has a file or is drawn from the question list.
Moving away from something half typed goes through a button and `leave_for`, never through a link: a fast
click on a link can lose both the text and the click.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import streamlit as st

from pages.ui.streamlit_inside import unbind_widgets
from pages.ui.words.i18n import current_language

HOME, PLAYGROUND, PROGRESS, MOCK = "home", "playground", "progress", "mock"
INTERVIEW, PRESENT, CONSOLE, PANEL = "interview", "present", "console", "panel"
GUIDE, CLAIMS, GLOSSARY, SETTINGS = "guide", "claims", "glossary", "settings"
SEARCH, DECK, SHEET = "search", "deck", "sheet"
"""The pages that belong to no question; a question's page is called by its slug."""
BARE = (PRESENT, CONSOLE, PANEL)
"""Opened by a link: no menu, no profile, nobody asked to sign in."""
_LEAVING = "navigate.leaving"
_PATIENCE_SECONDS = 5.0


def leave_for(address: str) -> None:
    """For a button's callback: the next run of this session goes to the page at `address`."""
    st.session_state[_LEAVING] = (address, time.monotonic())


def go_on_leaving(here: str, pages: Mapping[str, st.Page]) -> None:
    """Go where a button said, until that page runs. Called by the frame before each page.

    `here` is the address that runs now, `pages` are all of them by address. Does not return where it goes.
    A text that is saved at the moment of the click asks for a run of its own; Streamlit may merge that run
    with the switch of pages and forget the switch. So the request is kept until the other page runs.
    """
    address, since = st.session_state.get(_LEAVING, (here, 0.0))
    if address == here or time.monotonic() - since > _PATIENCE_SECONDS:
        st.session_state.pop(_LEAVING, None)
        return
    unbind_widgets()
    st.switch_page(pages[address], query_params={"lang": current_language()})
