"""The page of a question, top to bottom: question, answer, lab, reference, score, what comes next.

A page file names its question and, where it has one, the function that draws its lab. Nothing of the
reference answer is drawn before it is opened, nor the lab before the predictions are made or skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from pages.ui.site import store
from pages.ui.site.frame import page, page_file, question, questions
from pages.ui.site.navigate import leave_for
from pages.ui.study import draft, hints, kata, predict, reference, rubric
from pages.ui.words import errors, prose
from pages.ui.words.i18n import current_language, t
from pages.ui.words.question_text import header, renderer_of
from questions import Question, Renderer
from study.store import Attempt, StoreError

Lab = Callable[[], None]


def question_page(name: str, lab: Lab | None = None) -> None:
    """Run the page of the question `name`, such as "Q6", in the frame."""
    page(partial(_study, name, lab))


def _study(name: str, lab: Lab | None) -> None:
    this = question(name)
    header(this)
    try:
        if this.written:
            _written(this, lab)
        else:
            st.markdown(t("study.unwritten"))
    except StoreError as error:
        st.error(errors.said(error))
    _neighbours(this)


def _written(this: Question, lab: Lab | None) -> None:
    if trouble := store.trouble():
        st.error(trouble)
    attempt = store.attempt(this)
    renderer = renderer_of(this)
    _introduction(this, renderer)
    st.header(t("study.answer"), anchor=False)
    draft.answer(this)
    hints.steps(this, attempt, renderer)
    locked = _lab(this, lab, attempt, renderer)
    if this.kata is not None:
        kata.section(this.kata, renderer)
    st.header(t("study.reference"), anchor=False)
    if attempt is None or not reference.is_open(attempt) or locked:
        reference.button(this, locked=locked)
        return
    reference.answer(this, attempt, renderer)
    reference.claims(this, renderer)
    st.header(t("study.score"), anchor=False)
    rubric.section(this)
    _follow_ups(this, renderer)


def _introduction(this: Question, renderer: Renderer) -> None:
    st.markdown(
        f"*{renderer.text(this.examines)}*" if current_language() == "en" else renderer.text(this.examines)
    )
    if this.prerequisites:
        names = [f"{name} {question(name).short[current_language()]}" for name in this.prerequisites]
        st.caption(t("study.before", names=" · ".join(names)))
    st.header(t("study.question"), anchor=False)
    prose.draw(renderer.fill(this.prose[current_language()].question))


def _lab(this: Question, lab: Lab | None, attempt: Attempt | None, renderer: Renderer) -> bool:
    """Predictions, then the lab. Returns whether predictions are still to be made."""
    if lab is None:
        st.header(t("study.lab"), anchor=False)
        st.markdown(t("study.no_lab"))
        return False
    st.header(t("study.predict"), anchor=False)
    predict.section(this, attempt, renderer)
    if not predict.is_settled(this, attempt):
        return True
    st.header(t("study.lab"), anchor=False)
    lab()
    return False


def _follow_ups(this: Question, renderer: Renderer) -> None:
    st.header(t("study.follow_ups"), anchor=False)
    with st.container(key="follow-ups", gap="xxsmall"):
        for one in this.follow_ups:
            with st.expander(renderer.text(one.question)):
                prose.draw(renderer.text(one.answer))
    with st.expander(t("study.cues")):
        for cue in this.cues:
            st.markdown(f"**{t(f'score.tier.{cue.tier}')}** {renderer.text(cue.text)}")


def _neighbours(this: Question) -> None:
    """Buttons, not links: a fast click on a link can lose what was typed last."""
    everything = questions()
    place = everything.index(this)
    st.space("medium")
    with st.container(horizontal=True, horizontal_alignment="distribute", key="neighbours"):
        for other, label in ((place - 1, "←  {}"), (place + 1, "{}  →")):
            if 0 <= other < len(everything):
                target = everything[other]
                text = label.format(f"{target.id} {target.short[current_language()]}")
                st.button(text, key=f"go-{target.id}", on_click=leave_for, args=(page_file(target),))
