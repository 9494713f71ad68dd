"""After a mock interview: each answer beside the one of 90 seconds, its rubric, and a report of all of it.

The reference names what can be measured, so the predictions of a question come before it here too, as they
do on the question's own page.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas
import streamlit as st

from pages.ui.mock import kept, report
from pages.ui.mock.words import points, rows, score
from pages.ui.progress.attempts import draw_section
from pages.ui.progress.kept import work_on
from pages.ui.progress.printed import judged_sections
from pages.ui.progress.words import Words, session_words
from pages.ui.site import store
from pages.ui.study import predict, rubric, sealed
from pages.ui.words import prose
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import Markdown
from pages.ui.words.question_text import renderer_of
from questions import SPOKEN, Question
from study.mock import Mock
from study.progress import REFERENCE
from study.store import Attempt

_PLACE = "mock.after"


def draw(mock: Mock) -> None:
    """Draw the whole page of a finished interview. Raises StoreError."""
    words, attempts = session_words(), kept.attempts(mock)
    st.title(t("mock.after.title", date=words.date(mock.started)), anchor=False)
    trouble = st.container()
    if said := store.trouble():
        trouble.error(said)
    _overview(mock, attempts, words)
    with st.container(horizontal=True):
        report.buttons(mock, attempts, words)
        st.button(t("mock.another"), key="mock.another", on_click=_leave)
    questions = kept.asked(mock)
    question = _chosen(mock, questions, attempts, words)
    st.header(f"{question.id} · {question.title[current_language()]}", anchor=False)
    _question(mock, question, attempts.get(question.key), words)


def _overview(mock: Mock, attempts: Mapping[str, Attempt], words: Words) -> None:
    answered = sum(bool(attempt.text.strip()) for attempt in attempts.values())
    lead = t(
        "mock.after.lead",
        answered=answered,
        count=len(mock.questions),
        used=words.duration(mock.used),
        minutes=mock.minutes,
    )
    median = points(mock, attempts)
    left = t("mock.after.left") if median is None else t("mock.after.median", median=f"{median:g}")
    st.markdown(t("mock.sentence_gap").join((lead, left)))
    if mock.seed is not None:
        st.caption(t("mock.after.seed", seed=mock.seed))
    head = [t(f"progress.head.{name}") for name in ("question", "time", "score")]
    table = pandas.DataFrame(rows(mock, kept.asked(mock), attempts, words), columns=head)
    with st.container(key="mock-overview"):
        st.table(table, border="horizontal", hide_index=True)


def _leave() -> None:
    st.session_state["mock.shown"] = ""


def _chosen(mock: Mock, questions: list[Question], attempts: Mapping[str, Attempt], words: Words) -> Question:
    """The question to look at; at first one that is still to be scored."""
    by_key = {question.key: question for question in questions}
    open_ones = [key for key in by_key if key in attempts and attempts[key].finished is None]
    key = f"{_PLACE}.{mock.id}"
    if st.session_state.get(key) not in by_key:
        st.session_state[key] = (open_ones or list(by_key))[0]

    labels = {name: f"{by_key[name].id} · {score(attempts.get(name), words)}" for name in by_key}
    st.segmented_control(
        t("mock.after.which"), list(labels), key=key, format_func=labels.__getitem__, required=True
    )
    return by_key[st.session_state[key]]


def _question(mock: Mock, question: Question, attempt: Attempt | None, words: Words) -> None:
    """One answer: what is still to be done with it, or what was."""
    if attempt is None:
        st.markdown(t("mock.after.not_reached"))
        return
    newest = store.attempt(question)
    if attempt.finished is None and newest is not None and newest.id == attempt.id:
        _to_score(question, attempt, tickets=mock.tickets)
        return
    renderer = renderer_of(question)
    if not work_on(question).in_sight:  # it is being answered again: nothing may give that away
        _mine(attempt)
        st.caption(t("attempts.hidden"))
        return
    _beside(question, attempt)
    for part in judged_sections(renderer, attempt, words, words("report.said")):
        draw_section(part)


def _to_score(question: Question, attempt: Attempt, *, tickets: bool) -> None:
    """The predictions first, if there are any, and the ticket; then the reference opens, and the rubric."""
    renderer = renderer_of(question)
    if predict.asked(question):
        if not predict.is_settled(question, attempt):
            _mine(attempt)
            st.markdown(t("mock.after.predict"))
        predict.section(question, attempt, renderer)
    if not predict.is_settled(question, store.attempt(question)):
        return
    if tickets and not sealed.asked(question, store.attempt(question) or attempt, renderer):
        return
    if REFERENCE not in attempt.help_used:
        store.record(question, help_used=[REFERENCE])
    _beside(question, attempt)
    st.subheader(t("mock.after.rubric"), anchor=False)
    rubric.section(question)


def _beside(question: Question, attempt: Attempt) -> None:
    """The own answer and the one of 90 seconds, side by side where there is room."""
    left, right = st.columns(2, gap="medium")
    with left:
        _mine(attempt)
    with right, st.container(key="spoken"):
        st.subheader(SPOKEN[current_language()], anchor=False)
        renderer = renderer_of(question)
        prose.draw(renderer.fill(question.prose[current_language()].spoken), renderer)
        link = f"[{question.id}]({question.slug}?lang={current_language()}#reference)"
        st.caption(t("mock.after.more", question=Markdown(link)))


def _mine(attempt: Attempt) -> None:
    with st.container(key="mock-mine"):
        st.subheader(t("report.answer"), anchor=False)
        st.text(attempt.text if attempt.text.strip() else plain("report.no_answer"))
