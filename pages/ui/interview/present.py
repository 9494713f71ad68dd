"""The candidate's window, for a shared screen: the question in large type, a clock, and what was released.

It is drawn from a `Released` (study/interview.py) and the question's own public texts; nothing of the
interviewer's is in this process's reach here. A look a second at the store shows what is released next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from labs.runner.job import Job
from pages.ui.experiments import registry
from pages.ui.interview.clock import clock
from pages.ui.interview.window import Window
from pages.ui.lab import bench, findings, runs
from pages.ui.progress import tickets
from pages.ui.site import store
from pages.ui.site.question_list import questions
from pages.ui.study import draft, predict, sealed
from pages.ui.words import prose
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.question_text import level_dots, minutes_text, renderer_of
from questions import SPOKEN, Question, Renderer
from study.interview import LAB, PREDICT, REFERENCE, Released
from study.store import StoreError

_LOOK_SECONDS = 1.0
_NOTED = "present.noted"


def draw(window: Window, shown: Released) -> None:
    """Draw what the candidate may see now."""
    with st.container(key="present"):
        question = next((each for each in questions() if each.key == shown.at), None)
        if not shown.consented:
            _consent(window, shown)
        elif shown.finished:
            st.title(t("present.over"), anchor=False)
            st.markdown(t("present.over_about", name=shown.candidate))
        elif question is None:
            st.title(t("present.welcome", name=shown.candidate), anchor=False)
            st.markdown(t("present.soon"))
        else:
            _question(window, shown, question)
        if said := store.callback_trouble():
            st.error(said)
    _follow(window, shown)


def _consent(window: Window, shown: Released) -> None:
    """What is kept of the interview, before anything is."""
    st.title(t("present.welcome", name=shown.candidate), anchor=False)
    st.markdown(t("present.plan", count=shown.count, minutes=shown.minutes))
    with st.container(border=True, key="present-consent"):
        st.markdown(t("present.consent"))
    st.button(t("present.agree"), type="primary", key="present.agree", on_click=store.guarded(window.agree))


def _question(window: Window, shown: Released, question: Question) -> None:
    renderer = renderer_of(question)
    level = f"{level_dots(question)} {t(f'level.{question.level}')}"
    number = t("mock.number", index=shown.index, count=shown.count)
    with st.container(key="present-head", horizontal=True, horizontal_alignment="distribute"):
        st.markdown(" · ".join((number, level, minutes_text(question))))
        clock(question, shown, "present.clock")
    st.title(question.title[current_language()], anchor=False)
    with st.container(key="present-question"):
        prose.draw_at_top(renderer.fill(question.prose[current_language()].question), renderer)
    for step, hint in enumerate(question.hints[: shown.hints], 1):
        with st.container(key=f"present-hint-{step}"):
            st.markdown(f"**{t('interview.hint', step=step)}**  \n{renderer.text(hint)}")
    _answer(window, shown, question)
    _released(window, shown, question, renderer)


def _answer(window: Window, shown: Released, question: Question) -> None:
    """A field for what the candidate would rather write than say."""
    key = f"present.answer.{question.key}"
    data = {
        "known": True,
        "text": shown.work.text,
        "revision": shown.work.revision,
        "round": 0,
        "seconds": 0,
        "over": False,
        "timed": False,
        "words": draft.words(question) | {"placeholder": plain("present.placeholder")},
    }

    def take() -> None:
        draft.take_sent(
            key, lambda text, revision, _base, _seconds: window.save_text(question, text, revision)
        )

    draft.field_of_link(window.link, key, question.key, data, on_draft_change=store.guarded(take))


def _released(window: Window, shown: Released, question: Question, renderer: Renderer) -> None:
    """Predictions, lab and reference, as far as released; nothing measured before the predictions."""
    if not shown.parts & {PREDICT, LAB, REFERENCE}:
        _ticket(window, shown, question, renderer)
        return
    if predict.asked(question):
        st.header(t("study.predict"), anchor=False)
        predict.section(question, window.attempt(question), renderer, window)
        if not predict.is_settled(question, window.attempt(question)):
            return
    answered = _ticket(window, shown, question, renderer)
    if LAB in shown.parts:
        with st.container(key="present-lab"):
            st.header(t("study.lab"), anchor=False)
            if answered:
                bench.lab([each.id for each in registry().of_question(question.key)], desk=window)
            else:
                sealed.lab_waits()
    if REFERENCE in shown.parts:
        st.header(t("study.reference"), anchor=False)
        with st.container(key="spoken"):
            st.subheader(SPOKEN[current_language()], anchor=False)
            prose.draw(renderer.fill(question.prose[current_language()].spoken), renderer)


def _ticket(window: Window, shown: Released, question: Question, renderer: Renderer) -> bool:
    """The sealed ticket that was drawn, after the question's own predictions where these are asked.

    False while it is still to be answered or skipped.
    """
    drawn = tickets.of_text(shown.ticket)
    return drawn is None or sealed.section(question, drawn, window.attempt(question), renderer, window)


def _moved(shown: Released | None) -> tuple[object, ...]:
    """What the page has to be drawn anew for; what is typed here is not."""
    if shown is None:
        return ()
    return shown.at, shown.consented, shown.running, shown.finished, shown.parts, shown.ticket


def _follow(window: Window, drawn: Released) -> None:
    """Look for what the interviewer did since; what is typed here needs no page drawn anew."""
    stamp: tuple[object, ...] | None = None

    def look() -> None:
        nonlocal stamp
        try:
            if not drawn.finished:
                _note_runs(window, drawn.at)
            before, stamp = stamp, window.stamp()
            moved = before != stamp and _moved(window.look()) != _moved(drawn)
        except StoreError:
            return  # what is on the page stays; the next click says what is wrong
        if moved:
            st.rerun()

    st.fragment(look, run_every=_LOOK_SECONDS)()


def _note_runs(window: Window, key: str) -> None:
    """Note each run that was made here since the last look; a kept result that is only shown is none."""
    noted = st.session_state.setdefault(_NOTED, set())
    for experiment in registry().of_question(key):
        job: Job | None = st.session_state.get(runs.state(experiment))
        if job is None or job.result is None or job.cached or job.id in noted:
            continue
        noted.add(job.id)
        question = next(each for each in questions() if each.key == key)
        window.record_run(question, _run(job))


def _run(job: Job) -> Mapping[str, Any]:
    """A run as the line of events keeps it: what was run, with which settings, and its numbers."""
    experiment = registry().find(job.experiment_id)
    assert job.params is not None and job.result is not None
    drawn = findings.shown(experiment, experiment.complete(job.params, job.result))
    return {
        "experiment": experiment.id,
        "settings": job.params.to_dict(),
        "numbers": {name: float(value) for name, value in drawn.numbers.items()},
        "device": job.device_name,
    }
