"""The guide: levels, scoring, time, what convinces, and our examples of how a confident answer goes wrong.

An example shows the truth of a claim, so it waits until the reference of its question is open.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.progress.kept import all_work
from pages.ui.site import away
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import Markdown
from pages.ui.words.question_text import renderer_of
from questions import Question
from questions.guide import Example, guide
from study.store import StoreError


def page() -> None:
    """Draw the whole page."""
    title, *parts = guide().parts[current_language()]
    st.title(title.title, anchor=False)
    minutes = [each.minutes for each in questions()]
    facts = {
        "count": len(minutes),
        "shortest": sum(shortest for shortest, _ in minutes),
        "longest": sum(longest for _, longest in minutes),
    }
    st.markdown(title.body.format_map(facts))
    for index, part in enumerate(parts, 1):
        st.header(part.title, anchor=f"part-{index}")
        st.markdown(part.body)
    _examples()


def _examples() -> None:
    try:
        seen = {work.question.id for work in all_work() if work.in_sight}
    except StoreError as error:
        away.say(error)
        return
    by_id = {question.id: question for question in questions()}
    with st.container(key="examples"):
        for example in guide().examples:
            question = by_id[example.claim.partition("-")[0]]
            with st.container(border=True):
                st.markdown(f"**{example.lesson[current_language()]}**")
                _example(question, example, seen=question.id in seen)


def _example(question: Question, example: Example, *, seen: bool) -> None:
    link = f"[{question.id} · {question.short[current_language()]}]({question.slug})"
    if not seen:
        st.caption(t("guide.closed", question=Markdown(link)))
        return
    claim, renderer = question.claim(example.claim), renderer_of(question)
    if claim.common:
        st.markdown(f":orange[**{t('claims.common')}**] {renderer.text(claim.common, claim)}")
    st.markdown(f"**{t('claims.truth')}** {renderer.text(claim.truth, claim)} :small[{link}]")


page()
