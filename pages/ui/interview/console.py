"""The console: what the interviewer does and sees while an interview goes on. All of it is private.

Left what to listen for, ask and release; right what the candidate does, notes and the rubric. A look a second
at the store redraws what the candidate does, and the page where another window has moved the interview on.
On another device it is opened by an own link, and is the console alone: no links, no panel, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from pages.ui.interview import console_parts, cues, door, kept, marks, panel_members, sealed_draw
from pages.ui.interview.clock import clock
from pages.ui.interview.kept import Line
from pages.ui.interview.setup import SHOWN
from pages.ui.site import store
from pages.ui.words import errors, prose
from pages.ui.words.i18n import current_language, t
from pages.ui.words.question_text import level_dots, renderer_of
from questions import Question
from study.interview import LAB, NUM_HINTS, PARTS, PREDICT, REFERENCE, Released, hint
from study.store import Interview, StoreError

_PLACES, _ASKED = "interview.places", "interview.asked"
_LOOK_SECONDS = 1.0


def draw(interview: Interview) -> None:
    """Draw the console of an interview that is not over. Raises StoreError."""
    line = kept.line(interview)
    shown, asked = line.shown, kept.asked(interview)
    question = next((each for each in asked if each.key == shown.at), None)
    st.title(t("interview.console", name=interview.candidate), anchor=False)
    trouble = st.container()
    own = interview.found_by is None
    if said := store.trouble() if own else store.callback_trouble():
        trouble.error(said)
    _state(shown, question)
    if own:
        door.to_window(interview, begun=shown.consented)
        door.to_console(interview)
        panel_members.draw(line)
    _controls(interview, shown, asked)
    if question is None:
        _follow(line, None)
    else:
        _question(line, question, shown)


def on_another_device(interview: Interview) -> None:
    """Draw what its link opens: the console, or that the interview is over. Raises StoreError."""
    with st.container(key="console"):
        if interview.finished is None:
            draw(interview)
        else:
            st.title(t("console.over", name=interview.candidate), anchor=False)
            st.markdown(t("console.over_about"))


def _state(shown: Released, question: Question | None) -> None:
    """What the candidate's window shows now."""
    if not shown.consented:
        st.info(t("interview.no_consent"))
    elif question is None:
        st.info(t("interview.none_shown"))
    if question is not None:
        clock(question, shown, "interview.console.clock")


def _controls(interview: Interview, shown: Released, asked: list[Question]) -> None:
    """Which question is on the screen, the pause, and the end."""
    names = {each.key: f"{index} · {each.id} {level_dots(each)}" for index, each in enumerate(asked, 1)}
    st.session_state[_PLACES] = shown.at or None
    with st.container(key="interview-controls"):
        st.segmented_control(
            t("interview.on_screen"),
            list(names),
            key=_PLACES,
            format_func=names.__getitem__,
            on_change=store.guarded(lambda: _show(interview, shown)),
        )
        with st.container(horizontal=True):
            index = next((i for i, each in enumerate(asked) if each.key == shown.at), -1)
            if index + 1 < len(asked):
                following = asked[index + 1].key
                name = "interview.next" if shown.at else "interview.first"
                _button(name, partial(kept.show, interview, following), primary=True)
            if shown.at and shown.consented:
                name = "interview.pause" if shown.running else "interview.resume"
                _button(name, partial(kept.pause, interview, on=shown.running))
            if st.session_state.get(_ASKED) != interview.id:
                st.button(t("interview.end"), key="interview.end", on_click=_ask, args=(interview,))
    if st.session_state.get(_ASKED) == interview.id:
        _really(interview)


def _show(interview: Interview, shown: Released) -> None:
    """Bring the chosen question onto the screen; the one that is there stays."""
    chosen = st.session_state[_PLACES]
    if chosen and chosen != shown.at:
        kept.show(interview, chosen)


def _really(interview: Interview) -> None:
    with st.container(border=True, key="interview-really"):
        st.markdown(t("interview.really"))
        with st.container(horizontal=True):
            _button("interview.end_now", partial(_finish, interview), primary=True)
            st.button(
                t("mock.go_on"), key="interview.go_on", on_click=st.session_state.pop, args=(_ASKED, None)
            )


def _ask(interview: Interview) -> None:
    st.session_state[_ASKED] = interview.id


def _finish(interview: Interview) -> None:
    kept.finish(interview)
    st.session_state.pop(_ASKED, None)
    st.session_state[SHOWN] = interview.id


def _button(name: str, act: Callable[[], None], *, primary: bool = False) -> None:
    st.button(t(name), key=name, type="primary" if primary else "secondary", on_click=store.guarded(act))


def _question(line: Line, question: Question, shown: Released) -> None:
    renderer = renderer_of(question)
    st.header(f"{question.id} · {question.title[current_language()]}", anchor=False)
    with st.expander(t("study.question")):
        prose.draw(renderer.fill(question.prose[current_language()].question), renderer)
    console_parts.draw()
    left, right = st.columns(2, gap="large")
    with left:
        _switches(line.interview, question, shown)
        sealed_draw.draw(line, question, renderer)
        _hints(line.interview, question, shown)
        cues.draw(question, renderer)
    with right:
        _follow(line, question)
        marks.notes(line, question)
        marks.rubric(line, question, renderer)


def _switches(interview: Interview, question: Question, shown: Released) -> None:
    """What of the question the candidate's window shows besides its text."""
    st.subheader(t("interview.release"), anchor=console_parts.RELEASE)
    with st.container(key="interview-switches", gap="xsmall"):
        for part in _parts_of(question):
            _switch(interview, question, part, shown, t(f"interview.part.{part}"))
    if {LAB, REFERENCE} & shown.parts and PREDICT in _parts_of(question):
        st.caption(t("interview.after_predictions"))


def _hints(interview: Interview, question: Question, shown: Released) -> None:
    st.subheader(t("interview.hints"), anchor=False)
    renderer = renderer_of(question)
    for step in range(1, NUM_HINTS + 1):
        if step > shown.hints + 1:  # the ladder is climbed step by step
            break
        text = t("interview.hint", step=step)
        _switch(interview, question, hint(step), shown, text)
        st.markdown(f":small[{renderer.text(question.hints[step - 1])}]")


def _switch(interview: Interview, question: Question, part: str, shown: Released, label: str) -> None:
    key = f"interview.release.{question.key}.{part}"
    st.session_state[key] = part in shown.parts
    st.toggle(
        label,
        key=key,
        on_change=store.guarded(
            lambda: kept.release(interview, question.key, part, on=bool(st.session_state[key]))
        ),
    )


def _parts_of(question: Question) -> tuple[str, ...]:
    """What there is to release: a question without a lab has only its reference."""
    from pages.ui.study import predict  # with the lab's parts, which nobody needs before a question

    return PARTS if predict.asked(question) else (REFERENCE,)


def _moved(line: Line, question: Question | None) -> tuple[object, ...]:
    """What the page around has to be drawn anew for; an answered ticket can no longer be drawn again."""
    shown = line.shown
    moved = shown.at, shown.consented, shown.running, shown.finished, shown.parts, shown.ticket
    record = line.record(question.key) if question else None
    written = (record.ticks, len(record.notes)) if record else ()  # perhaps on another device
    return *moved, frozenset(shown.work.predictions), written


def _follow(before: Line, question: Question | None) -> None:
    """Draw what the candidate does, anew each second, and the page where another window moved it on."""
    interview, drawn = before.interview, _moved(before, question)

    def look() -> None:
        try:
            if kept.is_shut_out(interview):
                st.rerun()
            line = kept.line(interview)
        except StoreError as error:
            st.error(errors.said(error))
            return
        if _moved(line, question) != drawn:
            st.rerun()
        if question is not None:
            st.subheader(t("interview.candidate"), anchor=console_parts.CANDIDATE)
            marks.growing(question, line.record(question.key))

    st.fragment(look, run_every=_LOOK_SECONDS)()
