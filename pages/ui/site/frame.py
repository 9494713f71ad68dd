"""The frame around every page: navigation from the question list, device badge, language.

A page file holds one function and ends with `page(function)`. Streamlit may run a page file inside
this frame (through `run_app`) or, on a fresh server, alone; `page` handles both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import StreamlitPage

from pages.ui.site import server
from pages.ui.site.device import device_badge
from pages.ui.site.document import announce_language
from pages.ui.site.later import when_imported
from pages.ui.site.login import login_first
from pages.ui.site.navigate import go_on_leaving
from pages.ui.words.i18n import current_language, language_switch, t
from questions import PARTS, Question, load_questions

ROOT = Path(__file__).resolve().parents[3]
PLAYGROUND = ROOT / "pages" / "playground.py"
SETTINGS = ROOT / "pages" / "settings.py"
_ICON = ROOT / "pages" / "ui" / "site" / "icon.svg"
_STYLE = ROOT / "pages" / "ui" / "site" / "style.css"
_inside = threading.local()


@cache
def questions() -> tuple[Question, ...]:
    """The question list, read once a server."""
    return load_questions()


def question(name: str) -> Question:
    """The question called `name`, such as "Q13"."""
    return next(question for question in questions() if question.id == name)


def page_file(question: Question) -> Path:
    """Where the question's page is, or will be."""
    return ROOT / "pages" / f"{question.slug}.py"


def is_open(question: Question) -> bool:
    """Whether the question's page is there already."""
    return page_file(question).exists()


def page(body: Callable[[], None]) -> None:
    """Run a page's `body` in the frame, entering the frame first if Streamlit came here directly."""
    if getattr(_inside, "frame", False):
        body()
    elif server.leave_pages_router():
        st.rerun()  # this time by way of app.py
    else:
        run_app()


def run_app() -> None:
    """Draw the frame and the page that the address names."""
    server.leave_pages_router()
    st.set_page_config(page_title="MiniMind Interview Lab", page_icon=str(_ICON), layout="centered")
    st.logo(_ICON, size="large")
    st.html(_STYLE)
    with st.container(
        key="topbar", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        left = st.container()
        right = st.container(horizontal=True, width="content", vertical_alignment="center")
    with right:
        name = st.container(width="content")
        language_switch()
    with left:
        device_badge()
    navigation = st.navigation(_sections(), expanded=True)
    announce_language()
    if login_first():
        return
    go_on_leaving(ROOT / "pages" / f"{navigation.url_path or 'home'}.py")
    _inside.frame = True
    try:
        navigation.run()
    finally:
        _inside.frame = False
    _say_whose_work(name)


def _say_whose_work(place: DeltaGenerator) -> None:
    """After the page, though it stands above: the first page need not wait for the import of the store."""

    def draw() -> None:
        from pages.ui.settings import profiles as settings_profiles

        settings_profiles.badge(SETTINGS)

    with place:
        when_imported("pages.ui.settings.profiles", draw)


def _sections() -> dict[str, list[StreamlitPage]]:
    """Pages by section heading, in the session's language. Addresses are file names, so they never change."""
    sections = {
        "": [
            st.Page(ROOT / "pages" / "home.py", title=t("home.nav"), default=True),
            st.Page(PLAYGROUND, title=t("playground.nav")),
        ]
    }
    for part in PARTS:
        rows = [
            st.Page(page_file(question), title=f"{question.id} {question.short[current_language()]}")
            for question in questions()
            if question.part == part and is_open(question)
        ]
        if rows:
            sections[t(f"part.{part}")] = rows
    sections[t("nav.more")] = [st.Page(SETTINGS, title=t("settings.title"))]
    return sections
