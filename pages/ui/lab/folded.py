"""A part of the page that is folded away, and made only once somebody opens it.

Streamlit sends what is in a closed expander too. A page with many tables and sources would then be slow
to open for things that few people look at. Not for controls: one that is not drawn forgets its value.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def folded(label: str, draw: Callable[[], object], *, key: str) -> None:
    """An expander whose content is what `draw` draws when it is open."""
    box = st.expander(label, key=key, on_change="rerun")
    if box.open:
        with box:
            draw()
