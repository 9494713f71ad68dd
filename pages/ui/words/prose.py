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


def draw(text: str, renderer: Renderer) -> None:
    """Draw `text` with the glossary's terms explained, its listings in their language's colours, and the
    diagrams of the renderer's question.
    """
    _draw(explained(text, current_language()), renderer, html=True)


def draw_at_top(text: str, renderer: Renderer) -> None:
    """Draw a text that stands at the top of its page, without what needs HTML.

    Streamlit loads what reads HTML after the page, and all below would jump. It also gives
    nothing away: the question itself asks what some terms mean.
    """
    _draw(text, renderer, html=False)


def _draw(text: str, renderer: Renderer, *, html: bool) -> None:
    end = 0
    for block in _BLOCK.finditer(text):
        _markdown(text[end : block.start()], html=html)
        if block[3]:
            _markdown(renderer.diagram(block[3]), html=True)  # st.html drops every SVG
        else:
            st.code(block[2].rstrip("\n"), language=block[1] or None, wrap_lines=True)
        end = block.end()
    _markdown(text[end:], html=html)


def _markdown(text: str, *, html: bool) -> None:
    if text.strip():
        st.markdown(text.strip(), unsafe_allow_html=html)
