"""A link that opens a window of an interview: its whole address, and a QR code of it for a phone."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urljoin, urlsplit

import segno
import streamlit as st

from pages.ui.interview.window import PARAMETER
from pages.ui.words.i18n import current_language, t

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def address_of(page: str, link: str) -> str:
    """The address of a page with this link, as this browser reaches the server."""
    query = urlencode({PARAMETER: link, "lang": current_language()})
    return urljoin(st.context.url or "", f"{page}?{query}")


def qr_code(address: str, name: str) -> None:
    """Draw a QR code (ISO/IEC 18004), dark on white in either theme, as cameras want it.

    Where only this machine reaches the address, say what a phone needs.
    """
    drawing = segno.make(address, micro=False).svg_inline(
        scale=4, border=3, dark="#000", light="#fff", omitsize=True
    )
    label = f'<div class="qr" role="img" aria-label="{escape(name)}">{drawing}</div>'
    st.markdown(label, unsafe_allow_html=True)
    if urlsplit(address).hostname in _THIS_MACHINE:
        st.caption(t("interview.only_here"))
