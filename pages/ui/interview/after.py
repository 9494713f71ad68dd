"""After an interview: the scorecard, what is still to note or tick for each question, the line to rewind."""

from __future__ import annotations

import pandas
import streamlit as st

from pages.ui.interview import kept, marks, panel_members, rewind, scorecard
from pages.ui.interview.setup import SHOWN
from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.words.i18n import t
from pages.ui.words.question_text import renderer_of
from study.store import Interview

_ASKED = "interview.delete_asked"


def draw(interview: Interview) -> None:
    """Draw the whole page of an interview that is over. Raises StoreError."""
    line, words = kept.line(interview), session_words()
    questions = kept.asked(interview)
    st.title(t("interview.scorecard", name=interview.candidate), anchor=False)
    if said := store.trouble():
        st.error(said)
    st.caption(words.date_and_time(interview.started))
    with st.container(key="interview-overview"):
        _table(scorecard.head(words), scorecard.rows(line, questions, words))
        if found := scorecard.groups(line, questions, words):
            _table(scorecard.group_head(words), found)
    with st.container(horizontal=True):
        scorecard.buttons(line, words)
        st.button(t("interview.another"), key="interview.another", on_click=_leave)
    names = {each.key: f"{each.id}" for each in questions}
    st.header(t("interview.evidence"), anchor=False)
    chosen = st.segmented_control(
        t("mock.after.which"),
        list(names),
        default=next((each.key for each in questions if line.record(each.key).asked), questions[0].key),
        format_func=names.__getitem__,
        key=f"interview.evidence.{interview.id}",
        required=True,
    )
    question = next(each for each in questions if each.key == chosen)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(t("interview.did"), anchor=False)
        marks.done(question, line.record(question.key))
        marks.notes(line, question)
    with right:
        marks.rubric(line, question, renderer_of(question))
    panel_members.draw(line)
    rewind.draw(line)
    _delete(interview)


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
    st.table(pandas.DataFrame(list(rows), columns=list(head)), border="horizontal", hide_index=True)


def _leave() -> None:
    st.session_state[SHOWN] = ""


def _delete(interview: Interview) -> None:
    """Delete it, as a candidate may ask; said once more before."""
    st.space("medium")
    if st.session_state.get(_ASKED) != interview.id:
        st.button(
            t("interview.delete"), key="interview.delete", type="tertiary", on_click=_ask, args=(interview,)
        )
        return
    with st.container(border=True):
        st.markdown(t("interview.delete_really", name=interview.candidate))
        with st.container(horizontal=True):
            st.button(
                t("settings.data.for_good"),
                key="interview.delete_now",
                type="primary",
                on_click=store.guarded(lambda: _gone(interview)),
            )
            st.button(
                t("settings.data.keep"),
                key="interview.delete_not",
                on_click=st.session_state.pop,
                args=(_ASKED, None),
            )


def _ask(interview: Interview) -> None:
    st.session_state[_ASKED] = interview.id


def _gone(interview: Interview) -> None:
    kept.delete(interview)
    st.session_state[SHOWN] = ""
