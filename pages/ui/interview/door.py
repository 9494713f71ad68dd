"""The way to the candidate's window: its link, a QR code of it, how long it opens, and another one."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urljoin

import segno
import streamlit as st

from pages.ui.interview import kept
from pages.ui.interview.window import PARAMETER
from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.site.navigate import PRESENT
from pages.ui.words.i18n import current_language, plain, t
from study.store import Interview


def draw(interview: Interview, *, begun: bool) -> None:
    """Draw it; folded once the interview has `begun`."""
    if interview.link is None:
        st.button(t("interview.new_link"), on_click=store.guarded(kept.relink), args=(interview,))
        return
    address = address_of(interview.link)
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
            st.markdown(qr_code(address, plain("interview.qr")), unsafe_allow_html=True)


def address_of(link: str) -> str:
    """The address of the candidate's window, as this browser reaches the server."""
    query = urlencode({PARAMETER: link, "lang": current_language()})
    return urljoin(st.context.url or "", f"{PRESENT}?{query}")


def qr_code(text: str, name: str) -> str:
    """A QR code (ISO/IEC 18004) as inline SVG: dark on white in either theme, as cameras want it."""
    drawing = segno.make(text, micro=False).svg_inline(
        scale=4, border=3, dark="#000", light="#fff", omitsize=True
    )
    return f'<div class="qr" role="img" aria-label="{escape(name)}">{drawing}</div>'
