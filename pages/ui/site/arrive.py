"""Where a person arrives on a page: at its top, at the place that an address or a link names, or at what a
step has opened. The scrolling and the focus are arrive.js's. Draws nothing.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.site.component import component

_arrive = component(Path(__file__))
_COUNT = "arrive.count"


def at_page(address: str) -> None:
    """Tell the browser which page this is: another one than before begins at its top."""
    _arrive(key="arrive", data={"page": address}, height=0)


def at_step(anchor: str | None) -> None:
    """Bring what has the anchor into view, and the focus to it, once; "top" is the title. None stays."""
    count = st.session_state.setdefault(_COUNT, 0)
    if anchor is not None:
        count = st.session_state[_COUNT] = count + 1
    _arrive(key="arrive-step", data={"step": anchor, "count": count}, height=0)
