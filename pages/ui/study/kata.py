"""The kata of a question: what to write, and the signature. Solutions are not run here yet, as it says.

It names parts of the answer, so that before the reference is open it is folded, and made only when opened.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.lab.folded import folded
from pages.ui.words.i18n import t
from questions import Question, Renderer


def early(question: Question, renderer: Renderer) -> None:
    """Before the reference is open: a fold that says what it gives away."""
    if question.kata is not None:
        folded(t("study.kata_early"), lambda: _body(question, renderer), key=f"{question.key}.kata")


def section(question: Question, renderer: Renderer) -> None:
    """The task and the signature to copy, under a heading."""
    if question.kata is not None:
        st.header(t("study.kata"), anchor="kata")
        _body(question, renderer)


def _body(question: Question, renderer: Renderer) -> None:
    assert question.kata is not None
    st.markdown(renderer.text(question.kata.task))
    st.code(question.kata.signature, language="python", wrap_lines=True)
    st.caption(t("study.kata_later"))
