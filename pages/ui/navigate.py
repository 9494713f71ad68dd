"""Going to another page from a button.

Moving away from something half typed goes through a button and `go_to`, never through a link: a fast
click on a link can lose both the text and the click.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.i18n import current_language


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
