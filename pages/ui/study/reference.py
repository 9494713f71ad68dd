"""The reference answer, mine beside or above it, and the claims behind it, each with its evidence.

First it is said as one would say it in 90 seconds; then come the sections, folded, and in each what is often
said instead. A number of the text leads to its claim.

Until it is opened nothing of it is drawn. It stays closed while a prediction is neither committed nor
skipped, since it names what will be measured.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.site import store
from pages.ui.study import claim_list, draft
from pages.ui.words import prose
from pages.ui.words.i18n import current_language, t
from pages.ui.words.question_text import linked
from questions import OFTEN_SAID, SPOKEN, Question, Renderer
from study.progress import is_fixed
from study.store import Attempt


def is_open(attempt: Attempt | None) -> bool:
    """Whether the reference answer may be seen."""
    return attempt is not None and (store.REFERENCE in attempt.help_used or attempt.finished is not None)


def button(question: Question, *, locked: bool, next_up: bool) -> None:
    """Draw the button that opens the reference, or a sentence while predictions are still to be made.

    `next_up`: to open it is what the page asks for now.
    """
    if locked:
        st.markdown(t("reference.locked"))
        return
    st.markdown(t("reference.lead"))
    st.button(
        t("reference.open"),
        type="primary" if next_up else "secondary",
        key=f"{question.key}.reference",
        on_click=store.guarded(_open),
        args=(question,),
    )


def _open(question: Question) -> None:
    """Record that the reference is open, with the answer as it is now: what is typed later does not count."""
    draft.take(question)
    attempt, written = store.attempt(question), store.draft(question)
    if attempt is not None and is_fixed(attempt):  # it was written in a mock interview
        store.record(question, help_used=[store.REFERENCE])
        return
    store.record(question, text=written.text if written else "", help_used=[store.REFERENCE])


def answer(question: Question, attempt: Attempt, renderer: Renderer) -> None:
    """Draw mine, where the rail does not have it, the answer in 90 seconds, and the folded sections."""
    texts, to_claims = question.prose[current_language()], linked(renderer)
    _mine(attempt)
    with st.container(key="reference-text"):
        with st.container(key="spoken"):
            st.subheader(SPOKEN[current_language()], anchor=False)
            prose.draw(to_claims.fill(texts.spoken), renderer)
        with st.container(key="sections", gap="xsmall"):
            for index, section in enumerate(texts.answer):
                with st.expander(f"**{renderer.fill(section.title)}**"):
                    prose.draw(to_claims.fill(section.body), renderer)
                    if section.often_said:
                        _often_said(to_claims.fill(section.often_said), index, renderer)
            with st.expander(f"**{t('reference.beyond')}**"):
                prose.draw(to_claims.fill(texts.beyond), renderer)


def _mine(attempt: Attempt) -> None:
    if not attempt.text.strip():
        st.caption(t("reference.nothing"))
        return
    with st.container(border=True, key="mine"):
        st.markdown(f"**{t('reference.mine')}**")
        st.text(attempt.text)


def _often_said(text: str, index: int, renderer: Renderer) -> None:
    """A box for what is said elsewhere, so that the answer itself argues with nobody."""
    with st.container(key=f"often-said-{index}"):
        st.markdown(f":orange[**{OFTEN_SAID[current_language()]}**]")
        prose.draw(text, renderer)


def claims(question: Question, renderer: Renderer) -> None:
    """A fold with every claim and its status; opened, each shows what is said, what is true, the evidence."""
    with st.container(key="claims"), st.expander(f"**{t('claims.title', count=len(question.claims))}**"):
        claim_list.legend(question.claims)
        claim_list.draw(question.claims, renderer)
