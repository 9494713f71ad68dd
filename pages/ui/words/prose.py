"""Draws long texts of ours: Markdown with the glossary in it, diagrams, and its code in blocks that wrap.

A block that scrolls sideways could be neither reached by keyboard nor read on a phone. The texts are those of
the questions, which may hold HTML; nothing that somebody typed comes here.
"""

from __future__ import annotations

import re

import streamlit as st

from pages.ui.words.i18n import current_language
from pages.ui.words.terms import explained
from questions import Renderer
from questions.diagrams import IMAGE

_BLOCK = re.compile(rf"^```(\w*)\n(.*?)^```[ ]*$|{IMAGE.pattern}", re.MULTILINE | re.DOTALL)


def draw(text: str, renderer: Renderer, *, untold: str = "", explain: bool = True) -> None:
    """Draw `text`, its listings in their language's colours, and the diagrams of the renderer's question.

    Terms of the glossary are explained but for those of the question `untold`, which asks what they are; none
    is where `explain` is False, as in an interview.
    """
    text, end = explained(text, current_language(), untold) if explain else text, 0
    for block in _BLOCK.finditer(text):
        _markdown(text[end : block.start()])
        if block[3]:
            _markdown(renderer.diagram(block[3]))  # st.html drops every SVG
        else:
            st.code(block[2].rstrip("\n"), language=block[1] or None, wrap_lines=True)
        end = block.end()
    _markdown(text[end:])


def _markdown(text: str) -> None:
    if text.strip():
        st.markdown(text.strip(), unsafe_allow_html=True)
