"""A line of links to the parts of the console: on a phone, where they are a column, it stays on top."""

from __future__ import annotations

import html

import streamlit as st

from pages.ui.words.i18n import plain

RELEASE, LISTEN, CANDIDATE, NOTES, RUBRIC = "release", "listen", "candidate", "notes", "rubric"
"""The anchors of the parts, in the order of the page."""


def draw() -> None:
    """Draw the line; style.css hides it where the parts stand beside each other."""
    links = "".join(
        f'<li><a href="#{name}">{html.escape(plain(f"console.part.{name}"))}</a></li>'
        for name in (RELEASE, LISTEN, CANDIDATE, NOTES, RUBRIC)
    )
    label = html.escape(plain("console.parts"))
    with st.container(key="console-parts"):
        st.html(f'<nav aria-label="{label}"><ol>{links}</ol></nav>')
