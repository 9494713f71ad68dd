"""The menu: which pages there are, what each is called, and what draws it.

A page has a file of its own only where it decides something of its own. Every other question is drawn by
the study page; its address is its slug, with a file or without. So a new question needs nothing here.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from pages.ui.site.later import when_imported
from pages.ui.site.navigate import (
    CLAIMS,
    CONSOLE,
    DECK,
    GLOSSARY,
    GUIDE,
    HOME,
    INTERVIEW,
    MOCK,
    PANEL,
    PLAYGROUND,
    PRESENT,
    PROGRESS,
    SEARCH,
    SETTINGS,
    SHEET,
)
from pages.ui.site.question_list import headers
from pages.ui.words.i18n import current_language, t
from questions import PARTS, Header

FIRST_IMPORTS = (
    "PIL.GifImagePlugin",
    "minimind_core.model.cost",
    "pages.ui.site.frame",
    "pages.ui.words.question_text",
    "study.progress",
)
"""What the first page needs beyond this file; imported while the browser still reads Streamlit's scripts."""
SLOW_IMPORTS = ("pages.ui.lab.charts", "pages.ui.study.study_page")
"""What the pages of questions need; the server imports it once the first page is there."""
SIDEBAR = "pages.ui.progress.sidebar"
"""Imports the store, which the first page of a fresh server need not wait for."""
_FOLDER = Path(__file__).parent
_MENU = "menu"


def sections() -> dict[str, list[st.Page]]:
    """The pages by the heading of their section, in the session's language.

    Made when the session begins and when its language changes: each page that is made looks for its file.
    """
    language, menu = st.session_state.get(_MENU, ("", {}))
    if language != current_language():
        menu = _sections()
        st.session_state[_MENU] = current_language(), menu
    return menu


def _sections() -> dict[str, list[st.Page]]:
    menu = {
        "": [
            st.Page(_file(HOME), title=t("home.nav"), default=True),
            st.Page(_file(PLAYGROUND), title=t("playground.nav")),
            st.Page(_file(MOCK), title=t("mock.nav")),
            st.Page(_file(INTERVIEW), title=t("interview.nav")),
            st.Page(_file(PRESENT), title=t("present.nav"), visibility="hidden"),
            st.Page(_file(CONSOLE), title=t("console.nav"), visibility="hidden"),
            st.Page(_file(PANEL), title=t("panel.nav"), visibility="hidden"),
            st.Page(_file(PROGRESS), title=t("progress.nav")),
            st.Page(_file(DECK), title=t("deck.nav")),
        ]
    }
    for part in PARTS:
        pages = [page_of(question) for question in headers() if question.part == part]
        if pages:
            menu[t(f"part.{part}")] = pages
    menu[t("nav.more")] = [
        st.Page(_file(GUIDE), title=t("guide.nav")),
        st.Page(_file(CLAIMS), title=t("claims.page")),
        st.Page(_file(GLOSSARY), title=t("glossary.title")),
        st.Page(_file(SHEET), title=t("sheet.title")),
        st.Page(_file(SEARCH), title=t("search.title")),
        st.Page(_file(SETTINGS), title=t("settings.title")),
    ]
    return menu


def page_of(question: Header) -> st.Page:
    """The page of a question: its own file where there is one, else the study page."""
    title = f"{question.id} {question.short[current_language()]}"
    file = _file(question.slug)
    if file.exists():
        return st.Page(file, title=title)
    return st.Page(partial(_study, question), title=title, url_path=question.slug)


def draw_profile() -> None:
    """Whose work this is, and in the menu what was done, once the store is imported."""

    def draw() -> None:
        from pages.ui.progress import sidebar
        from pages.ui.settings import profiles

        profiles.badge()
        sidebar.draw_marks()

    when_imported(SIDEBAR, draw)


def _study(question: Header) -> None:
    from pages.ui.study.study_page import question_page

    question_page(question.id)


def _file(address: str) -> Path:
    return _FOLDER / f"{address}.py"
