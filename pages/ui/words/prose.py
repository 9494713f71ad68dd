"""Draws a long text: Markdown, with its code in blocks that wrap. Also what a person typed, within Markdown.

A block that scrolls sideways could be neither reached by keyboard nor read on a phone.
"""

from __future__ import annotations

import re

import streamlit as st

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


def draw(text: str) -> None:
    """Show `text`, each fenced block in the colours of its language."""
    place = 0
    for fence in _FENCE.finditer(text):
        _markdown(text[place : fence.start()])
        st.code(fence[2].rstrip("\n"), language=fence[1] or None, wrap_lines=True)
        place = fence.end()
    _markdown(text[place:])


def literal(text: str) -> str:
    """Markdown that shows `text` as it is, such as a name that somebody typed."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _markdown(text: str) -> None:
    if text.strip():
        st.markdown(text.strip())
