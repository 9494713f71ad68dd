"""The candidate's window of an interview, opened by its link; without one, a word about that."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview.window import PARAMETER, Window
from pages.ui.words import errors
from pages.ui.words.i18n import t
from study.store import StoreError


def page() -> None:
    """Draw what the link in the address opens."""
    window = Window(st.query_params.get(PARAMETER, ""))
    try:
        shown = window.look()
        if shown is not None:
            from pages.ui.interview import present  # with the lab's parts, which a lost link does not need

            present.draw(window, shown)
            return
    except StoreError as error:
        st.title(t("present.nav"), anchor=False)
        st.error(errors.said(error))
        return
    st.title(t("present.nav"), anchor=False)
    st.markdown(t("present.no_link"))


page()
