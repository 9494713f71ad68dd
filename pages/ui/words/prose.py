"""Draws long texts: Markdown, with its code in blocks that wrap.

A block that scrolls sideways could be neither reached by keyboard nor read on a phone.
"""

from __future__ import annotations

import re

import streamlit as st

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


def draw(text: str) -> None:
    """Draw `text`, each fenced block in the colours of its language."""
    end = 0
    for fence in _FENCE.finditer(text):
        _markdown(text[end : fence.start()])
        st.code(fence[2].rstrip("\n"), language=fence[1] or None, wrap_lines=True)
        end = fence.end()
    _markdown(text[end:])


def _markdown(text: str) -> None:
    if text.strip():
        st.markdown(text.strip())
