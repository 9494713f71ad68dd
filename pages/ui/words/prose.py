"""Draws long texts of ours: Markdown with the glossary in it, and with its code in blocks that wrap.

A block that scrolls sideways could be neither reached by keyboard nor read on a phone. The texts are those of
the questions, which may hold HTML; nothing that somebody typed comes here.
"""

from __future__ import annotations

import re

import streamlit as st

from pages.ui.words.i18n import current_language
from pages.ui.words.terms import explained

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


def draw(text: str, untold: str = "") -> None:
    """Draw `text`, each fenced block in the colours of its language.

    Terms of the glossary are explained but for those of the question `untold`, which asks what they are.
    """
    text, end = explained(text, current_language(), untold), 0
    for fence in _FENCE.finditer(text):
        _markdown(text[end : fence.start()])
        st.code(fence[2].rstrip("\n"), language=fence[1] or None, wrap_lines=True)
        end = fence.end()
    _markdown(text[end:])


def _markdown(text: str) -> None:
    if text.strip():
        st.markdown(text.strip(), unsafe_allow_html=True)
