"""Draws what needs a slow import after the rest of the page, the first time that a server needs it.

On two cores an import beside a browser that is still reading the page costs the reader its time.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

import streamlit as st

_WAIT_SECONDS = 0.5


def when_imported(module: str, draw: Callable[[], None]) -> None:
    """Draw at once if the module is loaded; else load it when the browser has drawn the rest and asks."""
    if module in sys.modules:
        draw()
        return
    asked = False

    def look() -> None:
        nonlocal asked
        if asked:
            importlib.import_module(module)
            st.rerun()
        asked = True

    st.fragment(look, run_every=_WAIT_SECONDS)()
