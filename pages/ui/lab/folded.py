"""A part of the page that is folded away, and made only once somebody opens it.

Streamlit sends what is in a closed expander too. A page with many tables and sources would then be slow
to open for things that few people look at. Not for controls: one that is not drawn forgets its value.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def folded(label: str, draw: Callable[[], object], *, key: str) -> None:
    """An expander whose content is what `draw` draws when it is open."""
    box = fold(label, key=key)
    if box.open:
        with box:
            draw()


def fold(label: str, *, key: str) -> st.delta_generator.DeltaGenerator:
    """An expander that knows whether it is open, and stays so when its label says something new.

    The browser begins a fold anew when its label or `expanded` changes. With a new label it is to stay as
    open as it is; to open one by hand is to change neither, or the keyboard's focus goes with the old fold.
    """
    if st.session_state.get(f"{key}.label", [None])[0] != label:
        st.session_state[f"{key}.label"] = [label, bool(st.session_state.get(key, False))]
    return st.expander(label, key=key, expanded=st.session_state[f"{key}.label"][1], on_change="rerun")
