"""Three hints, each saying more than the one before. Which were opened is kept with the attempt."""

from __future__ import annotations

import streamlit as st

from pages.ui.site import store
from pages.ui.words.i18n import t
from questions import Question, Renderer
from study.store import Attempt


def hint_name(step: int) -> str:
    """What the attempt calls the hint of this step, counted from 1."""
    return f"hint-{step}"


def steps(question: Question, attempt: Attempt | None, renderer: Renderer) -> None:
    """Draw the hints that are open, and a button for the next one."""
    used = attempt.help_used if attempt else ()
    opened = sum(hint_name(step) in used for step in range(1, len(question.hints) + 1))
    for step, hint in enumerate(question.hints[:opened], 1):
        st.markdown(f":gray-badge[{t('hints.step', step=step)}] {renderer.text(hint)}")
    finished = attempt is not None and attempt.finished is not None
    if opened < len(question.hints) and not finished:
        st.button(
            t("hints.open", step=opened + 1, count=len(question.hints)),
            key=f"{question.key}.hint",
            on_click=store.guarded(_open),
            args=(question, opened + 1),
        )


def _open(question: Question, step: int) -> None:
    store.record(question, help_used=[hint_name(step)])
