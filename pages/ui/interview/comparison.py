"""All interviews beside each other: candidates by questions, and how hard each line of a rubric proves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas
import streamlit as st

from pages.ui.interview import kept, marks
from pages.ui.interview.panel_lines import lines_of, to_tick
from pages.ui.lab.folded import folded
from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.site.newest import newest, rest
from pages.ui.site.question_list import questions
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.question_text import renderer_of
from questions import Question
from study.interview import SHOWN, TICKED, UNTICKED
from study.panel import Difficulty, Line, difficulties, everywhere
from study.store import Interview

_SHOWN = "compare.shown"


def draw(interviews: Sequence[Interview]) -> None:
    """Draw both tables when somebody asks; nothing before an interview is over."""
    over = [each for each in interviews if each.finished is not None]
    if not over or not st.toggle(t("compare.show"), key=_SHOWN):
        return
    st.header(t("compare.candidates"), anchor=False)
    with st.container(key="compare-candidates"):
        st.table(_candidates(newest(over, "compare")), border="horizontal", hide_index=True)
    rest(over, "compare")
    st.header(t("compare.lines"), anchor=False)
    st.markdown(t("compare.about"))
    kinds = {SHOWN, TICKED, UNTICKED}
    panels = store.store().panels
    given = everywhere(panels.finished(kinds), panels.handed_in())
    written = [each for each in questions() if each.written]
    found = difficulties(given, lines_of(written))
    for question in written:
        if any(key == question.key for key, _ in found):
            label = f"{question.id} · {question.short[current_language()]}"
            folded(label, partial(_lines, question, found), key=f"compare.{question.key}")


def _candidates(interviews: Sequence[Interview]) -> pandas.DataFrame:
    """A row for each interview, a column for each question that was asked in any; points, or nothing."""
    words, rows = session_words(), []
    for line in kept.weighed(interviews):
        interview = line.interview
        row = {plain("interview.candidate_name"): interview.candidate}
        row[plain("report.date")] = words.date(interview.started)
        for question in kept.asked(interview):
            record = line.record(question.key)
            if record.asked:
                row[question.id] = str(marks.worth(question, record, interview).points)
        rows.append(row)
    frame = pandas.DataFrame(rows).fillna("")
    order = [each.id for each in questions() if each.id in frame.columns]
    return frame[[*frame.columns[:2], *order]]


def _lines(question: Question, found: dict[Line, Difficulty]) -> None:
    st.table(_hardest(question, found), border="horizontal", hide_index=True)


def _hardest(question: Question, found: dict[Line, Difficulty]) -> pandas.DataFrame:
    """The lines of a question, the hardest first."""
    renderer = renderer_of(question)
    lines = [(line, found[question.key, line.id]) for line in to_tick(question)]
    lines.sort(key=lambda pair: pair[1].share)
    return pandas.DataFrame(
        [
            {
                plain("panel.line"): renderer.text(line.text),
                plain("compare.met"): plain("compare.share", ticks=each.ticks, marks=each.marks),
            }
            for line, each in lines
        ]
    )
