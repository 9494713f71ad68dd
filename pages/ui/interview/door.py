"""The way to the candidate's window: its link, a QR code of it, how long it opens, and another one."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview import kept
from pages.ui.interview.way_in import address_of, qr_code
from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.site.navigate import PRESENT
from pages.ui.words.i18n import plain, t
from study.store import Interview


def draw(interview: Interview, *, begun: bool) -> None:
    """Draw it; folded once the interview has `begun`."""
    if interview.link is None:
        st.button(t("interview.new_link"), on_click=store.guarded(kept.relink), args=(interview,))
        return
    address = address_of(PRESENT, interview.link)
    with st.expander(t("interview.door"), expanded=not begun), st.container(key="interview-door"):
        words, code = st.columns([3, 2], gap="medium")
        with words:
            st.markdown(t("interview.door_about"))
            st.link_button(t("interview.open_window"), address, type="secondary" if begun else "primary")
            st.code(address, language=None, wrap_lines=True)
            until = session_words().date_and_time(interview.expires)
            st.caption(t("interview.expires", until=until))
            st.button(
                t("interview.new_link"),
                key="interview.relink",
                type="tertiary",
                on_click=store.guarded(kept.relink),
                args=(interview,),
            )
        with code:
            qr_code(address, plain("interview.qr"))
