"""Another attempt at a question: it begins at the top of the page, with an empty field.

Says which attempt this is and what the ones before scored.
"""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.ui.site import store
from pages.ui.words.i18n import t
from pages.ui.words.markdown import Markdown
from questions import Question
from study.store import StoreError

_ASKED, _TOP = "again.asked", "again.top"
_JS = """
// A new attempt begins where the page does, and who reads by keyboard or voice is taken there.
export default function ({ data }) {
  if (!data.top) return
  document.querySelector("[data-testid=stMain]")?.scrollTo(0, 0)
  const title = document.querySelector("[data-testid=stMain] h1")
  title?.setAttribute("tabindex", "-1")
  title?.focus({ preventScroll: true })
}
"""
_top = st.components.v2.component("attempt_top", js=_JS)


def notice(question: Question) -> None:
    """Say at the top which attempt this is, once one was scored; without a store say nothing."""
    with contextlib.suppress(StoreError):
        attempts = store.attempts(question)
        scored = [attempt for attempt in attempts[::-1] if attempt.finished is not None]
        if attempts and attempts[0].finished is None and scored:
            earlier = " · ".join(
                t("again.earlier", number=number, points=attempt.tier or 0)
                for number, attempt in enumerate(scored, 1)
            )
            st.markdown(t("again.now", number=len(scored) + 1, earlier=Markdown(earlier)))
    _top(key="again.top.place", data={"top": st.session_state.pop(_TOP, False)}, height=0)


def button(question: Question) -> None:
    """Draw the button that begins another attempt."""
    st.button(t("score.again"), key=f"{question.key}.again", on_click=store.guarded(_begin), args=(question,))


def was_asked_for() -> bool:
    """Whether the button was clicked in this run: once."""
    return bool(st.session_state.pop(_ASKED, False))


def _begin(question: Question) -> None:
    store.answer_again(question)
    st.session_state[_ASKED] = st.session_state[_TOP] = True
