"""Draws what needs a slow import after the rest of the page, the first time that a server needs it.

On two cores an import at the same time as the browser draws the page would delay the whole page.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable

import streamlit as st

_WAIT_SECONDS = 0.5
first_page = threading.Event()
"""Set once a browser has drawn a page of this server."""


def is_imported(module: str) -> bool:
    """Whether the module is loaded, so that using it costs nothing."""
    return module in sys.modules


def when_imported(module: str, draw: Callable[[], None]) -> None:
    """Call `draw` at once if the module is loaded; else load it when the browser has drawn the rest."""
    if is_imported(module):
        draw()
        return
    browser_is_ready = False

    def import_on_second_run() -> None:
        nonlocal browser_is_ready
        if browser_is_ready:
            first_page.set()
            importlib.import_module(module)
            st.rerun()
        browser_is_ready = True

    st.fragment(import_on_second_run, run_every=_WAIT_SECONDS)()
