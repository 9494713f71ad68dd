"""The kata of a question: what to write, and the signature. Solutions are not run here yet, as it says."""

from __future__ import annotations

import streamlit as st

from pages.ui.words.i18n import t
from questions import Renderer
from questions.kata import Kata


def section(kata: Kata, renderer: Renderer) -> None:
    """Draw the task and the signature to copy."""
    st.header(t("study.kata"), anchor=False)
    st.markdown(renderer.text(kata.task))
    st.code(kata.signature, language="python", wrap_lines=True)
    st.caption(t("study.kata_later"))
