"""The reference answer beside mine, and the claims behind it, each with its evidence.

Until it is opened nothing of it is drawn. It stays closed while a prediction is neither committed nor
skipped, since it names what will be measured.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.site import store
from pages.ui.study import draft, evidence
from pages.ui.words import prose
from pages.ui.words.i18n import current_language, t
from questions import OFTEN_SAID, SPOKEN, Claim, Question, Renderer
from study.store import Attempt

MARKS = {"confirmed": "✓", "corrected": "✎", "depends": "◐", "unsupported": "○", "new": "＋"}


def is_open(attempt: Attempt | None) -> bool:
    """Whether the reference answer may be seen."""
    return attempt is not None and (store.REFERENCE in attempt.help_used or attempt.finished is not None)


def button(question: Question, *, locked: bool) -> None:
    """Draw the button that opens the reference, or a sentence while predictions are still to be made."""
    if locked:
        st.markdown(t("reference.locked"))
        return
    st.markdown(t("reference.lead"))
    st.button(
        t("reference.open"),
        type="primary",
        key=f"{question.key}.reference",
        on_click=store.guarded(_open),
        args=(question,),
    )


def _open(question: Question) -> None:
    """Record that the reference is open, with the answer as it is now: what is typed later does not count."""
    draft.take(question)
    written = store.draft(question)
    store.record(question, text=written.text if written else "", help_used=[store.REFERENCE])


def answer(question: Question, attempt: Attempt, renderer: Renderer) -> None:
    """Draw mine on the left, the reference on the right; one below the other where the screen is narrow."""
    texts = question.prose[current_language()]
    mine, reference = st.columns([2, 3], gap="medium")
    with mine, st.container(border=True, key="mine"):
        st.markdown(f"**{t('reference.mine')}**")
        if attempt.text.strip():
            st.text(attempt.text)
        else:
            st.caption(t("reference.nothing"))
    with reference, st.container(key="reference"):
        if texts.spoken:
            with st.container(border=True, key="spoken"):
                st.subheader(SPOKEN[current_language()], anchor=False)
                prose.draw(renderer.fill(texts.spoken))
        for section in texts.answer:
            st.subheader(renderer.fill(section.title), anchor=False)
            prose.draw(renderer.fill(section.body))
            if section.often_said:
                with st.container(key=f"often-said-{texts.answer.index(section)}"):
                    st.markdown(f":orange[**{OFTEN_SAID[current_language()]}**]")
                    prose.draw(renderer.fill(section.often_said))
    with st.expander(t("reference.beyond")):
        prose.draw(renderer.fill(texts.beyond))


def claims(question: Question, renderer: Renderer) -> None:
    """Draw every claim with its status; opened, it shows what is said, what is true, and the evidence."""
    st.subheader(t("claims.title", count=len(question.claims)), anchor=False)
    present = {claim.status for claim in question.claims}
    st.caption(
        " · ".join(
            f"{mark} {t(f'claims.status.{status}')}" for status, mark in MARKS.items() if status in present
        )
    )
    with st.container(key="claims", gap="xxsmall"):
        for claim in question.claims:
            with st.expander(f"{MARKS[claim.status]} {renderer.text(claim.statement, claim)}"):
                _evidence(claim, renderer)


def _evidence(claim: Claim, renderer: Renderer) -> None:
    status = t(f"claims.status.{claim.status}")
    st.caption(f"{claim.id} · {status} · {t(f'claims.kind.{claim.kind}')}")
    if claim.common:
        st.markdown(f":orange[**{t('claims.common')}**] {renderer.text(claim.common, claim)}")
    st.markdown(f"**{t('claims.truth')}** {renderer.text(claim.truth, claim)}")
    if claim.formula:
        st.markdown(f":blue[**{t('claims.formula')}**]")
        st.code(claim.formula, language=None, wrap_lines=True)
    if claim.source:
        st.markdown(f"**{t('claims.source')}** {claim.source}")
    evidence.section(claim)
