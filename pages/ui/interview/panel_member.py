"""A member's page: the rubric of each question to tick, alone; once all have handed in, the differences."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview import kept, panel_differences
from pages.ui.interview.panel_lines import to_tick
from pages.ui.site import store
from pages.ui.words.i18n import current_language, t
from pages.ui.words.question_text import renderer_of
from questions import Question, RubricLine
from questions.interview import TIERS
from study.panel import revealed
from study.store import Interview, Member

_ASKED = "panel.asked"


def draw(interview: Interview, member: Member) -> None:
    """Draw the whole page. Raises StoreError."""
    with st.container(key="panel"):
        _page(interview, member)


def _page(interview: Interview, member: Member) -> None:
    st.title(t("panel.title", name=interview.candidate), anchor=False)
    st.caption(t("panel.you", name=member.name))
    if said := store.callback_trouble():
        st.error(said)
    if member.handed is not None:
        _handed_in(interview)
        return
    st.markdown(t("panel.lead"))
    questions = kept.asked(interview)
    names = {each.key: each.id for each in questions}
    chosen = st.segmented_control(
        t("mock.after.which"),
        list(names),
        default=next(iter(names)),
        format_func=names.__getitem__,
        key=f"panel.question.{member.id}",
        required=True,
    )
    _rubric(member, next(each for each in questions if each.key == chosen))
    _hand_in(member)


def _rubric(member: Member, question: Question) -> None:
    st.header(f"{question.id} · {question.title[current_language()]}", anchor=False)
    for tier in TIERS:
        lines = [line for line in to_tick(question) if line.tier == tier]
        if not lines:
            continue
        st.markdown(f"**{t(f'score.tier.{tier}')}**")
        with st.container(gap="xsmall", key=f"tier-{tier}"):
            for line in lines:
                _box(member, question, line)


def _box(member: Member, question: Question, line: RubricLine) -> None:
    key = f"panel.tick.{member.id}.{question.key}.{line.id}"
    st.session_state[key] = line.id in member.ticks.get(question.key, ())

    def tick() -> None:
        store.store().panels.tick(member, question.key, line.id, on=bool(st.session_state[key]))

    st.checkbox(renderer_of(question).text(line.text), key=key, on_change=store.guarded(tick))


def _hand_in(member: Member) -> None:
    """Hand in, said once more before: the others' ticks are shown after it."""
    if st.session_state.get(_ASKED) != member.id:
        st.button(t("panel.hand_in"), key="panel.hand_in", type="primary", on_click=_ask, args=(member,))
        return
    with st.container(border=True):
        st.markdown(t("panel.really"))
        with st.container(horizontal=True):
            st.button(
                t("panel.hand_in_now"),
                key="panel.hand_in_now",
                type="primary",
                on_click=store.guarded(lambda: store.store().panels.hand_in(member)),
            )
            st.button(t("panel.go_on"), key="panel.go_on", on_click=st.session_state.pop, args=(_ASKED, None))


def _ask(member: Member) -> None:
    st.session_state[_ASKED] = member.id


def _handed_in(interview: Interview) -> None:
    line, members = kept.line(interview), store.store().panels.of(interview)
    marks = revealed(interview, line.events, members)
    if marks is None:
        st.markdown(t("panel.handed_in"))
        st.button(t("panel.look"), key="panel.look")
    else:
        panel_differences.draw(kept.asked(interview), marks)
