"""What the interviewer sees of a candidate's work, and writes down: live work, notes, the rubric's ticks.

Used by the console while an interview goes on, and after it. A line that a prediction decides is decided by
it, as on the study page.
"""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.ui.interview import kept
from pages.ui.interview.console_parts import NOTES, RUBRIC
from pages.ui.interview.kept import Line
from pages.ui.lab.folded import folded
from pages.ui.progress.three_numbers import shown as number
from pages.ui.progress.tickets import taken
from pages.ui.site import store
from pages.ui.site.browser_keys import profile_mark
from pages.ui.study import draft
from pages.ui.study.predict import outcomes
from pages.ui.words.i18n import plain, t
from pages.ui.words.markdown import literal
from pages.ui.words.question_text import renderer_of
from questions import Question, Renderer
from questions.interview import TIERS
from study.interview import Record, as_attempt
from study.scoring import Score, met_lines, score
from study.store import Event, Interview

_LONGEST_SEEN, _LONGEST_WORD = 700, 40
"""Characters of a text that is being written, some ten lines: what the candidate is at."""


def done(question: Question, record: Record) -> None:
    """Draw the candidate's part of a record: text, predictions beside measurements, runs."""
    with _frame(question.key):
        _written(record.work.text)
        _measured(question, record)


def growing(question: Question, record: Record, *, then: bool = False) -> None:
    """The same while the text grows: of a long one the end is in sight, and the beginning folded away.

    So what stands below stays near, however much the candidate writes. `then` is one of an earlier moment,
    drawn on the same page as the one of now.
    """
    text = record.work.text
    start = max(0, len(text) - _LONGEST_SEEN)
    if start:  # between two words, where there are any
        start = text.find(" ", start, start + _LONGEST_WORD) + 1 or start
    name = f"then-{question.key}" if then else question.key
    with _frame(name):
        if start:
            before = partial(st.text, text[:start])
            folded(t("interview.before"), before, key=f"interview.before.{name}")
        _written(text[start:])
        _measured(question, record)


def _frame(name: str) -> st.delta_generator.DeltaGenerator:
    return st.container(border=True, key=f"interview-work-{name}", gap="xsmall")


def _written(text: str) -> None:
    st.text(text if text.strip() else plain("interview.nothing_written"))


def _measured(question: Question, record: Record) -> None:
    found, renderer = record.work, renderer_of(question)
    for prediction in (*question.predictions, *taken(found.predictions)):
        if prediction.id in found.predictions:
            said = found.predictions[prediction.id]
            values = {
                "said": t("report.skipped") if said is None else number(prediction, said, renderer),
                "measured": number(prediction, found.measurements.get(prediction.id), renderer),
            }
            st.markdown(f":small[{renderer.text(prediction.question)}]  \n" + t("interview.said", **values))
    if found.runs:
        st.markdown(f":small[{t('interview.runs', count=len(found.runs))}]")


def notes(line: Line, question: Question) -> None:
    """Draw the notes with the time of each in the interview, and a field for another."""
    st.subheader(t("interview.notes"), anchor=NOTES)
    record = line.record(question.key)
    for note in record.notes:
        st.markdown(f"**{at(line.interview, note)}** {literal(note.data['text'])}")
    text, revision = record.noting
    key, interview = f"interview.note.{question.key}", line.interview
    words = draft.words(question) | {
        "label": plain("interview.note"),
        "placeholder": plain("interview.note_placeholder"),
        "empty": plain("interview.note_empty"),
    }
    name = f"{question.key}.note.{interview.id}"
    data = {
        "known": True,
        "text": text,
        "revision": revision,
        "profile": profile_mark(),
        "round": 0,
        "seconds": 0,
        "over": False,
        "timed": False,
        "words": words,
    }
    take = store.guarded(lambda: _take(interview, question))
    if interview.found_by is None:
        draft.field(key, name, data, on_draft_change=take)
    else:
        draft.field_of_link(interview.found_by, key, name, data, on_draft_change=take)
    st.button(
        t("interview.pin"),
        key=f"interview.pin.{question.key}",
        on_click=store.guarded(lambda: _pin(interview, question)),
    )


def _take(interview: Interview, question: Question) -> None:
    """Save what the browser sent last."""
    draft.take_sent(
        f"interview.note.{question.key}",
        lambda text, revision, _base, _seconds: kept.save_note(interview, question.key, text, revision),
    )


def _pin(interview: Interview, question: Question) -> None:
    _take(interview, question)
    kept.pin_note(interview, question.key)


def at(interview: Interview, event: Event) -> str:
    """When something happened in an interview, such as "12:05" minutes after its beginning."""
    seconds = max(0, int(event.moment - interview.started))
    return f"{seconds // 60}:{seconds % 60:02d}"


def worth(question: Question, record: Record, interview: Interview) -> Score:
    """The score by ticks, and by predictions where these decide."""
    found = outcomes(question, as_attempt(interview, record))
    decisions = {name: outcome.correct for name, outcome in found.items()}
    return score(question.rubric, met_lines(question.rubric, record.ticks, decisions))


def rubric(line: Line, question: Question, renderer: Renderer) -> None:
    """Draw the lines of the rubric to tick, and what they are worth."""
    record, interview = line.record(question.key), line.interview
    st.subheader(t("report.rubric"), anchor=RUBRIC)
    st.markdown(t("score.points", points=worth(question, record, interview).points))
    decided = outcomes(question, as_attempt(interview, record))
    for tier in TIERS:
        lines = [each for each in question.rubric if each.tier == tier]
        if not lines:
            continue
        st.markdown(f"**{t(f'score.tier.{tier}')}**")
        with st.container(gap="xsmall", key=f"tier-{tier}"):
            for each in lines:
                outcome = decided.get(each.decided_by or "")
                if outcome is not None and outcome.correct is not None:
                    mark = "✓" if outcome.correct else "✗"
                    st.markdown(f":small[**{mark}** {renderer.text(each.text)} ({t('report.decided')})]")
                else:
                    _box(interview, question, record, each.id, renderer.text(each.text))


def _box(interview: Interview, question: Question, record: Record, line: str, text: str) -> None:
    key = f"interview.tick.{interview.id}.{question.key}.{line}"
    st.session_state[key] = line in record.ticks
    st.checkbox(
        text,
        key=key,
        on_change=store.guarded(
            lambda: kept.tick(interview, question.key, line, on=bool(st.session_state[key]))
        ),
    )
