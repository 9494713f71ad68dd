"""The field of the search: small in the top bar of every page, large on the page that shows what it found."""

from __future__ import annotations

import streamlit as st

from pages.ui.site.navigate import SEARCH, leave_for
from pages.ui.words.i18n import plain

_SMALL, _LARGE = "search.small", "search.large"
_WANTED = "search.wanted"
_LONGEST = 200


def small() -> None:
    """Draw the field of the top bar, as wide as it will always be; what is entered goes to the page."""
    with st.container(key="search", width="content"):
        st.text_input(
            plain("search.label"),
            key=_SMALL,
            placeholder=plain("search.label"),
            icon=":material/search:",
            label_visibility="collapsed",
            width=160,
            on_change=_look,
        )


def large() -> str:
    """Draw the field of the page; returns what is looked for, without blanks around it."""
    st.session_state.setdefault(_LARGE, st.session_state.get(_WANTED, ""))
    with st.container(key="search-large"):
        typed: str = st.text_input(
            plain("search.label"),
            key=_LARGE,
            icon=":material/search:",
            label_visibility="collapsed",
            on_change=_keep,
        )
    return typed.strip()[:_LONGEST]


def _look() -> None:
    typed = st.session_state[_SMALL]
    if typed.strip():
        st.session_state[_WANTED] = st.session_state[_LARGE] = typed
        st.session_state[_SMALL] = ""
        leave_for(SEARCH)


def _keep() -> None:
    st.session_state[_WANTED] = st.session_state[_LARGE]
