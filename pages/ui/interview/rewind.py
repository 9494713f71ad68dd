"""Rewind: an interview as one line of its events, and how a question stood at any of them."""

from __future__ import annotations

import streamlit as st

from pages.ui.interview import kept, marks
from pages.ui.interview.kept import Line
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.markdown import literal
from questions import Question
from study import interview as led
from study.store import Event

_SHOWN_KINDS = frozenset(led.PUBLIC - {led.TYPED} | {led.NOTE, led.TICKED, led.UNTICKED})
"""What is a moment of its own; what was typed into a field before it was committed or pinned is none."""


def draw(line: Line) -> None:
    """Draw the slider over all moments, and below it the one that it is at."""
    moments = [index for index, event in enumerate(line.events, 1) if event.kind in _SHOWN_KINDS]
    if len(moments) < 2:
        return
    st.header(t("rewind.title"), anchor=False)
    st.markdown(t("rewind.about"))
    st.fragment(_scrub)(line, moments)


def _scrub(line: Line, moments: list[int]) -> None:
    names = {
        place: f"{marks.at(line.interview, line.events[end - 1])} · {number}"
        for number, (place, end) in enumerate(enumerate(moments), 1)
    }
    place = st.select_slider(
        t("rewind.moment"),
        list(names),
        value=len(moments) - 1,
        format_func=names.__getitem__,
        key=f"rewind.{line.interview.id}",
    )
    end = moments[place]
    event, then = line.events[end - 1], line.until(end)
    known = {question.key: question for question in kept.asked(line.interview)}
    question = known.get(event.question or then.shown.at)
    with st.container(key="rewind", gap="small"):
        st.markdown(f"**{marks.at(line.interview, event)}** {_said(event, known)}")
        if question is not None:
            _stood(then, question)


def _stood(then: Line, question: Question) -> None:
    """The question as it was at that moment."""
    record = then.record(question.key)
    st.caption(f"{question.id} · {question.title[current_language()]}")
    marks.growing(question, record, then=True)
    for note in record.notes:
        st.markdown(f":small[**{marks.at(then.interview, note)}** {literal(str(note.data['text']))}]")
    points = marks.worth(question, record, then.interview).points
    st.markdown(f":small[{t('rewind.points', points=points, hints=then.shown.hints)}]")


def _said(event: Event, known: dict[str, Question]) -> str:
    """What happened, in one line."""
    if event.kind == led.SHOWN:
        question = known.get(event.question)
        return t("rewind.shown", question=question.id if question else event.question)
    if event.kind in (led.RELEASED, led.WITHDRAWN):
        return t(f"rewind.{event.kind}", part=_part(str(event.data.get("part"))))
    if event.kind == led.DRAWN:
        return t("rewind.drawn", ticket=str(event.data.get("ticket")))
    if event.kind == led.NOTE:
        return t("rewind.note", text=str(event.data.get("text")))
    return t(f"rewind.{event.kind}")


def _part(part: str) -> str:
    """The name of what was released."""
    if part in led.PARTS:
        return plain(f"interview.part.{part}")
    return plain("interview.hint", step=part.rpartition("-")[2])
