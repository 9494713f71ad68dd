"""Another attempt at a question, or the next question: the buttons for them, and which attempt this is."""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.ui.site import question_list, store
from pages.ui.site.navigate import leave_for
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import Markdown
from questions import Question
from study.progress import MOCK, REFERENCE
from study.store import Attempt, StoreError


def notice(question: Question) -> None:
    """Say at the top which attempt this is, once one was scored, and whether it comes from a mock interview.

    Without a store say nothing.
    """
    with contextlib.suppress(StoreError):
        attempts = store.attempts(question)
        if attempts and attempts[0].finished is None and MOCK in attempts[0].help_used:
            st.markdown(t("mock.after.kept"))
            _written_there(attempts[0])
        scored = [attempt for attempt in attempts[::-1] if attempt.finished is not None]
        if attempts and attempts[0].finished is None and scored:
            earlier = " · ".join(
                t("again.earlier", number=number, points=attempt.tier or 0)
                for number, attempt in enumerate(scored, 1)
            )
            st.markdown(t("again.now", number=len(scored) + 1, earlier=Markdown(earlier)))


def _written_there(attempt: Attempt) -> None:
    """The text, which the field below does not have; the open reference has it beside itself."""
    if REFERENCE not in attempt.help_used and attempt.text.strip():
        with st.container(border=True, key="written-there"):
            st.text(attempt.text)


def buttons(question: Question) -> None:
    """Draw what comes after a kept score: the next question, if there is one, and another attempt."""
    begin = store.guarded(store.answer_again)
    with st.container(horizontal=True):
        if following := question_list.following(question):
            title = Markdown(f"{following.id} {following.short[current_language()]}")
            st.button(
                t("score.next", title=title),
                type="primary",
                key=f"{question.key}.next",
                on_click=leave_for,
                args=(following.slug,),
            )
        st.button(t("score.again"), key=f"{question.key}.again", on_click=begin, args=(question,))
