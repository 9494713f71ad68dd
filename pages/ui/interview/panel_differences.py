"""Where the members of a panel differ: a map of lines by people, and their agreement beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

import pandas
import streamlit as st

from pages.ui.interview.panel_lines import lines_of, to_tick
from pages.ui.words.i18n import current_language, plain, t
from pages.ui.words.question_text import renderer_of
from questions import Question
from questions.values import MINUS
from study.panel import RELIABLE, TENTATIVE, Marks, alpha, differing, ratings

_SIGNS = {True: "✓", False: "–", None: ""}


def draw(questions: Sequence[Question], marks: Sequence[Marks]) -> None:
    """Draw the agreement and, for each question that was asked, its lines by people."""
    asked = [each for each in questions if any(each.key in mark.asked for mark in marks)]
    lines = lines_of(asked)
    apart = differing(lines, marks)
    st.markdown(_agreement(alpha(ratings(lines, marks)), len(lines), len(marks), len(apart)))
    only = st.toggle(t("panel.only_differing"), value=bool(apart), key="panel.only", disabled=not apart)
    for question in asked:
        rows = _rows(question, marks, {line for key, line in apart if key == question.key} if only else None)
        if rows:
            st.markdown(f"**{question.id} · {question.short[current_language()]}**")
            head = [plain("panel.line"), *(mark.name or plain("panel.leader") for mark in marks)]
            with st.container(key=f"panel-map-{question.key}"):
                st.table(_frame(rows, head), border="horizontal", hide_index=True)


def _frame(rows: list[tuple[str, ...]], head: list[str]) -> pandas.DataFrame:
    """Two people may have one name: the later gets a number."""
    names = [name if head.index(name) == at else f"{name} ({at})" for at, name in enumerate(head)]
    return pandas.DataFrame(rows, columns=names)


def _rows(question: Question, marks: Sequence[Marks], only: set[str] | None) -> list[tuple[str, ...]]:
    renderer = renderer_of(question)
    return [
        (renderer.text(line.text), *(_SIGNS[mark.of((question.key, line.id))] for mark in marks))
        for line in to_tick(question)
        if only is None or line.id in only
    ]


def _agreement(found: float | None, lines: int, people: int, apart: int) -> str:
    counted = t("panel.counted", lines=lines, people=people, apart=apart)
    if found is None:
        return t("panel.undefined", counted=counted)
    verdict = "reliable" if found >= RELIABLE else "tentative" if found >= TENTATIVE else "unreliable"
    limits = {"reliable": f"{RELIABLE:g}", "tentative": f"{TENTATIVE:g}"}
    written = f"{round(found, 2) + 0.0:.2f}".replace("-", MINUS)  # never −0.00
    return t(f"panel.{verdict}", alpha=written, counted=counted, **limits)
