"""The ways into an interview: the candidate's window, and the console on a second device.

Each is a link with a QR code of it, how long it opens, and what makes it open no longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from pages.ui.interview import kept
from pages.ui.interview.way_in import address_of, qr_code
from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.site.navigate import CONSOLE, PRESENT
from pages.ui.words.i18n import plain, t
from study.store import Interview


def to_window(interview: Interview, *, begun: bool) -> None:
    """Draw the way to the candidate's window; folded once the interview has `begun`."""
    if interview.link is None:
        st.button(t("interview.new_link"), on_click=store.guarded(kept.relink), args=(interview,))
        return
    address = address_of(PRESENT, interview.link)
    with (
        st.expander(t("interview.door"), expanded=not begun),
        st.container(key="interview-door"),
        _beside_its_code(address, plain("interview.qr")),
    ):
        st.markdown(t("interview.door_about"))
        st.link_button(t("interview.open_window"), address, type="secondary" if begun else "primary")
        _address(address, interview.expires)
        _act(t("interview.new_link"), "interview.relink", kept.relink, interview)


def to_console(interview: Interview) -> None:
    """Draw the way to the console on a second device, once somebody asks for one."""
    with st.expander(t("console.door")), st.container(key="interview-console-door"):
        if interview.console_link is None:
            st.markdown(t("console.door_about"))
            _act(t("console.open"), "interview.console_open", kept.open_console, interview, type="secondary")
            return
        address = address_of(CONSOLE, interview.console_link)
        with _beside_its_code(address, plain("console.qr")):
            st.markdown(t("console.door_about"))
            _address(address, interview.console_expires)
            with st.container(horizontal=True):
                _act(t("console.close"), "interview.console_close", kept.close_console, interview)
                _act(t("interview.new_link"), "interview.console_relink", kept.open_console, interview)


def _beside_its_code(address: str, name: str) -> st.delta_generator.DeltaGenerator:
    """Draw the code of an address; returns the place to its left."""
    left, right = st.columns([3, 2], gap="medium")
    with right:
        qr_code(address, name)
    return left


def _address(address: str, expires: float) -> None:
    st.code(address, language=None, wrap_lines=True)
    st.caption(t("interview.expires", until=session_words().date_and_time(expires)))


def _act(
    label: str,
    key: str,
    act: Callable[[Interview], None],
    interview: Interview,
    type: Literal["secondary", "tertiary"] = "tertiary",
) -> None:
    st.button(label, key=key, type=type, on_click=store.guarded(act), args=(interview,))
