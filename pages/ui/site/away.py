"""Says why the store gives nothing, and draws the page anew by itself once it answers again."""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.ui.site import store
from pages.ui.words import errors
from study.store import StoreError

_PASSES = ("store.silent", "store.busy", "store.held")
"""What may be over a moment later; all else waits for somebody to mend it."""
_LOOK_SECONDS = 2.0


def say(error: StoreError) -> None:
    """Draw what went wrong while the page was read."""
    st.error(errors.said(error))
    if error.key not in _PASSES:
        return
    just_failed = True

    def look() -> None:
        nonlocal just_failed
        if just_failed:
            just_failed = False
            return
        with contextlib.suppress(StoreError):
            store.stamps()
            st.rerun()

    st.fragment(look, run_every=_LOOK_SECONDS)()
