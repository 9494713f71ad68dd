"""Keys for the ways that a person goes most, and the list that says so: behind the button `?` and its key.

Single letters without Ctrl, Alt or ⌘, so that none is the browser's or a screen reader's own command; never
while somebody types. Letters that Streamlit uses itself (c, r) are left to it. Who works by voice, or has a
screen reader that passes letters on, can turn them off in the list (WCAG 2.2, 2.1.4); the browser remembers.
What each does is shortcuts.js's.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.site.component import component
from pages.ui.words.i18n import plain

SHORTCUTS = {
    "j": "next_question",
    "k": "previous_question",
    "n": "step",
    "a": "answer",
    "x": "run",
    "s": "search",
    "?": "list",
}
"""What each key does, by its name in the words and in shortcuts.js."""
_shortcuts = component(Path(__file__))


def draw() -> None:
    """Draw the button that opens the list; the keys work from then on.

    The data are flat, and a tuple: to see whether a list or a dict in them is a table, Streamlit imports
    pandas, and this stands on the first page.
    """
    words = {name: plain(f"shortcuts.{name}") for name in ("title", "note", "on", "close")}
    keys = tuple((key, name, plain(f"shortcuts.does.{name}")) for key, name in SHORTCUTS.items())
    with st.container(key="shortcuts", width="content"):
        _shortcuts(key="shortcuts-list", data={**words, "keys": keys})
