"""The report of a mock interview: what was asked, the time, the scores, then every scored attempt in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from pages.ui.mock import kept
from pages.ui.mock.words import points, rows, time
from pages.ui.progress import printed
from pages.ui.progress.words import Words
from pages.ui.site import server, store
from pages.ui.words.i18n import t
from pages.ui.words.question_text import renderer_of
from questions import Question, Renderer
from study.mock import Mock
from study.report import Report, Section, Table, to_markdown
from study.report_html import to_html
from study.store import Attempt

Scored = Sequence[tuple[Renderer, Attempt, int]]
"""Each scored attempt with its number, counted from 1 for the first at its question."""


def buttons(mock: Mock, attempts: Mapping[str, Attempt], words: Words) -> None:
    """Draw the buttons that give the report as a web page and as Markdown; made when somebody asks."""
    found = [
        (renderer_of(question), attempts[question.key], _index(question, attempts[question.key]))
        for question in kept.asked(mock)
        if question.key in attempts and attempts[question.key].finished is not None
    ]
    first = whole(mock, kept.asked(mock), attempts, words)
    name = f"mock-interview-{words.date(mock.started)}"
    kinds = (("html", _html, "text/html"), ("markdown", _markdown, "text/markdown"))
    for kind, make, mime in kinds:
        st.download_button(
            t(f"report.as_{kind}"),
            partial(make, first, found, words),
            f"{name}.{'md' if kind == 'markdown' else kind}",
            mime,
            on_click="ignore",
            key=f"mock.report.{kind}",
        )


def _index(question: Question, attempt: Attempt) -> int:
    own = [each.id for each in store.attempts(question)]
    return len(own) - own.index(attempt.id)


def whole(mock: Mock, questions: Sequence[Question], attempts: Mapping[str, Attempt], words: Words) -> Report:
    """The first sheet: the interview as a whole."""
    median = points(mock, attempts)
    facts = [
        (
            words("report.score"),
            words("mock.unscored") if median is None else words("mock.median", median=f"{median:g}"),
        ),
        (words("report.date"), words.date_and_time(mock.started)),
        (words("mock.time_used"), time(mock.used, mock.minutes, words)),
    ]
    if mock.seed is not None:
        facts.append((words("mock.seed"), str(mock.seed)))
    head = tuple(words(f"progress.head.{name}") for name in ("question", "time", "score"))
    table = Table(head, rows(mock, questions, attempts, words))
    return Report(words("mock.title"), tuple(facts), (Section(words("mock.questions"), (table,)),))


def _reports(first: Report, found: Scored, words: Words) -> list[Report]:
    find = server.worker().find
    return [first, *(printed.report(*scored, words, find) for scored in found)]


def _html(first: Report, found: Scored, words: Words) -> str:
    return to_html(_reports(first, found, words), title=first.title, language=words.language)


def _markdown(first: Report, found: Scored, words: Words) -> str:
    return "\n".join(to_markdown(each) for each in _reports(first, found, words))
