"""Small marks in the menu: which questions are scored, and with how much, and which were begun.

A mark is a style of its link, not a part of its name: the browser's title and the links elsewhere stay what
they are. A screen reader says its alternative text after the name.
"""

from __future__ import annotations

import contextlib

import streamlit as st

from pages.ui.progress.kept import Work, all_work
from pages.ui.words.i18n import plain
from study.store import StoreError


def draw_marks() -> None:
    """Mark the questions of the menu. A store that fails marks nothing: the pages that need it say so."""
    with contextlib.suppress(StoreError):
        rules = "\n".join(_rule(work) for work in all_work() if work.standing.stage != "new")
        st.html(f"<style>{rules}</style>")


def _rule(work: Work) -> str:
    standing = work.standing
    if standing.unfinished:
        sign, alternative = "…", plain("progress.mark.begun")
    else:
        sign, alternative = f"✓ {standing.points}", plain("progress.mark.scored", points=standing.points)
    link = f'[data-testid="stSidebarNavLink"][href$="/{work.question.slug}"]'
    return f"{link}::after {{ content: {_text(sign)}; content: {_text(sign)} / {_text(alternative)}; }}"


def _text(words: str) -> str:
    """A string of CSS. What could end it, or the style around it, is written by its number."""
    return '"' + "".join(f"\\{ord(sign):x} " if sign in '"\\<\n' else sign for sign in words) + '"'
