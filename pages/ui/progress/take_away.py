"""Buttons that give a scored attempt, or all of them, as a document. It is made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial

import streamlit as st

from pages.ui.progress.printed import report
from pages.ui.progress.words import Words, session_words
from pages.ui.site import server
from pages.ui.words.i18n import t
from pages.ui.words.question_text import renderer_of
from questions import Question, Renderer
from study.report import to_markdown
from study.report_html import to_html
from study.store import Attempt

_HTML, _MARKDOWN = "text/html", "text/markdown"
Numbered = tuple[Renderer, Attempt, int]


def buttons(question: Question, attempt: Attempt, index: int, *, key: str) -> None:
    """Draw the two buttons for one attempt, the one of this number."""
    kept, words = (renderer_of(question), attempt, index), session_words()
    name = f"{question.key}-attempt-{index}"
    with st.container(horizontal=True):
        make = partial(_html, [kept], words)
        _button(t("report.as_html"), make, f"{name}.html", _HTML, f"{key}.html")
        make = partial(_markdown, kept, words)
        _button(t("report.as_markdown"), make, f"{name}.md", _MARKDOWN, f"{key}.md")


def bundle(attempts: Sequence[tuple[Question, Attempt, int]], *, key: str) -> None:
    """Draw the button for all attempts in one web page."""
    kept = [(renderer_of(question), attempt, index) for question, attempt, index in attempts]
    name = f"minimind-attempts-{date.today().isoformat()}.html"
    _button(t("report.bundle", count=len(kept)), partial(_html, kept, session_words()), name, _HTML, key)


def _button(label: str, make: partial[str], name: str, mime: str, key: str) -> None:
    st.download_button(label, make, name, mime, on_click="ignore", key=key)


def _html(kept: Sequence[Numbered], words: Words) -> str:
    reports = [
        report(renderer, attempt, index, words, server.worker().find) for renderer, attempt, index in kept
    ]
    title = reports[0].title if len(reports) == 1 else words("report.bundle_title")
    return to_html(reports, title=title, language=words.language)


def _markdown(kept: Numbered, words: Words) -> str:
    renderer, attempt, index = kept
    return to_markdown(report(renderer, attempt, index, words, server.worker().find))
