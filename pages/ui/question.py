"""What every question page shows of its question: number, title, level, minutes."""

from __future__ import annotations

import streamlit as st

from pages.ui.i18n import current_language, t
from questions import Question
from questions.loader import LEVELS


def level_dots(question: Question) -> str:
    """The level as filled dots out of three."""
    return "●" * question.level + "○" * (len(LEVELS) - question.level)


def minutes_text(question: Question) -> str:
    """How long an answer takes, such as "10–15 min"."""
    return t("question.minutes", shortest=question.minutes[0], longest=question.minutes[1])


def question_facts(question: Question) -> str:
    """Level and time for a list; never broken over two lines."""
    facts = f"{level_dots(question)} {minutes_text(question)}"
    return facts.replace(" ", "\N{NO-BREAK SPACE}").replace("–", "\N{WORD JOINER}–\N{WORD JOINER}")


def header(question: Question) -> None:
    """Number, part, level and time on one line, the title below."""
    level = f"{level_dots(question)} {t(f'level.{question.level}')}"
    st.caption(" · ".join((question.id, t(f"part.{question.part}"), level, minutes_text(question))))
    st.title(question.title[current_language()], anchor=False)
