"""Going to another page from a button.

Moving away from something half typed goes through a button and `go_to`, never through a link: a fast
click on a link can lose both the text and the click.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.words.i18n import current_language

_LEAVING = "navigate.leaving"
_PATIENCE_SECONDS = 5.0


def leave_for(page_file: Path) -> None:
    """For a button's callback: the next run of this page goes to another one."""
    st.session_state[_LEAVING] = (page_file, time.monotonic())


def go_on_leaving(here: Path) -> None:
    """Go where a button said, until we are there. The frame calls it before each page.

    A text saved at the moment of the click asks for a run of its own; Streamlit may merge that with the
    switch of pages and then forgets the switch. So the wish stays until the other page runs.
    """
    target, since = st.session_state.get(_LEAVING, (here, 0.0))
    if target == here or time.monotonic() - since > _PATIENCE_SECONDS:
        st.session_state.pop(_LEAVING, None)
    else:
        go_to(target)


def go_to(page_file: Path) -> None:
    """Open another page in the same language. Does not return.

    `st.switch_page` clears the address and refuses to while a widget is bound to it, as our language
    switch always is. The bindings are let go first, through an inner interface of the pinned Streamlit;
    the next page binds its own.
    """
    context = get_script_run_ctx()
    with contextlib.suppress(AttributeError), context.session_state.query_params() as parameters:
        for widget_id in list(parameters._bindings_by_widget):
            parameters.unbind_widget(widget_id)
    st.switch_page(page_file, query_params={"lang": current_language()})
