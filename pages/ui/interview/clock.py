"""The clock of an interview: time used on the question and in all, ticking in the browser."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.words.i18n import plain
from questions import Question
from study.interview import Released, budget

_HERE = Path(__file__).parent
_clock = st.components.v2.component(
    "interview_clock",
    html='<div class="interview-clock" role="timer"></div>',
    css=(_HERE / "clock.css").read_text(encoding="utf-8"),
    js=(_HERE / "clock.js").read_text(encoding="utf-8"),
)


def clock(question: Question, shown: Released, key: str) -> None:
    """Draw the time used against the budget of the question, and against the whole interview's minutes."""
    minutes = budget(question.level)
    text = plain("interview.clock", own="{own}", all="{all}", budget=minutes, minutes=shown.minutes)
    stopped = plain("interview.clock_stopped", clock=text)
    _clock(
        key=key,
        data={
            "text": text if shown.running else stopped,
            "own": shown.seconds,
            "all": shown.total,
            "running": shown.running,
            "budget": minutes,
        },
    )
