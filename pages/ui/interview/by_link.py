"""A page that the link in its address opens; without one, a word about that. Imports no page itself."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui.interview.window import PARAMETER
from pages.ui.site import away
from pages.ui.words.i18n import t
from study.store import StoreError


def page(name: str, draw: Callable[[str], bool]) -> None:
    """Call `draw` with the link; where it opens nothing, say so in the words of the page called `name`.

    `draw` says whether the link opened anything, and imports what it needs only then.
    """
    try:
        if draw(st.query_params.get(PARAMETER, "")):
            return
    except StoreError as error:
        st.title(t(f"{name}.nav"), anchor=False)
        away.say(error)
        return
    st.title(t(f"{name}.nav"), anchor=False)
    st.markdown(t(f"{name}.no_link"))
