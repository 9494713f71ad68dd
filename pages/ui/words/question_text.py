"""What every question page shows of its question: number, title, level, minutes, and its texts filled."""

from __future__ import annotations

from functools import cache

import streamlit as st

from labs.claims.recorded_values import recorded_values
from pages.ui.experiments import registry
from pages.ui.words.i18n import current_language, plain, t
from questions import Claim, Header, Question, Renderer, load_question
from questions.loader import LEVELS
from questions.values import Value


def renderer_of(question: Question) -> Renderer:
    """Renders the question's texts in the session's language, with the values of our recorded runs."""
    recorded = _recorded(question.slug)
    return Renderer(
        question,
        current_language(),
        {name: value for name, (value, _) in recorded.items()},
        {name: t("question.recorded", device=device) for name, (_, device) in recorded.items()},
    )


class LinkedRenderer(Renderer):
    """Fills in a claim's number as a link to it, `#claim-Q6-C3`; for prose that stands above the claims."""

    def value(self, claim: Claim, path: tuple[str, ...] = (), *, code: bool = False) -> str:
        """See Renderer."""
        return f"[{super().value(claim, path, code=code)}](#claim-{claim.id})"


def linked(renderer: Renderer) -> LinkedRenderer:
    """The same renderer, its numbers linked to their claims."""
    return LinkedRenderer(renderer.question, renderer.language, renderer.measured, renderer.sources)


@cache
def _recorded(slug: str) -> dict[str, tuple[Value, str]]:
    return recorded_values(load_question(slug), registry())


def level_dots(question: Header) -> str:
    """The level as filled dots out of three."""
    return "●" * question.level + "○" * (len(LEVELS) - question.level)


def minutes_text(question: Question) -> str:
    """How long an answer takes, such as "10–15 min"."""
    return t("question.minutes", shortest=question.minutes[0], longest=question.minutes[1])


def header(question: Question) -> None:
    """Draw number, part, level and time on one line, the title below, and put both on the browser's tab."""
    title = question.short[current_language()]
    st.set_page_config(page_title=plain("question.page", id=question.id, title=title))
    level = f"{level_dots(question)} {t(f'level.{question.level}')}"
    st.caption(" · ".join((question.id, t(f"part.{question.part}"), level, minutes_text(question))))
    st.title(question.title[current_language()], anchor=False)
