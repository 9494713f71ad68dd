"""Scoring oneself: the rubric's lines as boxes to tick, and at once what they are worth.

A line that a prediction decides is decided by it. Help used is shown and costs nothing. Kept scores stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.ui.site import store
from pages.ui.study.hints import hint_name
from pages.ui.study.predict import outcomes
from pages.ui.words.i18n import t
from pages.ui.words.markdown import Markdown
from pages.ui.words.question_text import renderer_of
from questions import Question, Renderer, RubricLine
from study.scoring import Score, met_lines, score
from study.store import Attempt

_TIERS = (60, 80, 100, "bonus")


def section(question: Question) -> None:
    """Draw the whole section. It is a fragment: a tick redraws only this."""
    st.fragment(_section)(question)


def _section(question: Question) -> None:
    attempt = store.attempt(question)
    if attempt is None:
        return
    renderer = renderer_of(question)
    decisions = _decisions(question, attempt)
    met = met_lines(question.rubric, attempt.ticks, decisions)
    result = score(question.rubric, met)
    for tier in _TIERS:
        _tier(question, attempt, tier, decisions, renderer)
    _result(result, attempt)
    if attempt.finished is None:
        st.button(
            t("score.keep"),
            type="primary",
            key=f"{question.key}.keep",
            on_click=store.guarded(store.finish),
            args=(question, result.points),
        )
    else:
        st.button(t("score.again"), key=f"{question.key}.again", on_click=_again, args=(question,))
        if st.session_state.pop("score.again", False):
            st.rerun()


def _again(question: Question) -> None:
    store.guarded(store.answer_again)(question)
    st.session_state["score.again"] = True


def _decisions(question: Question, attempt: Attempt) -> Mapping[str, bool | None]:
    return {name: outcome.correct for name, outcome in outcomes(question, attempt).items()}


def _tier(
    question: Question,
    attempt: Attempt,
    tier: int | str,
    decisions: Mapping[str, bool | None],
    renderer: Renderer,
) -> None:
    lines = [line for line in question.rubric if line.tier == tier]
    if not lines:
        return
    st.markdown(f"**{t(f'score.tier.{tier}')}**")
    with st.container(gap="xsmall", key=f"tier-{tier}"):
        for line in lines:
            _line(question, attempt, line, decisions.get(line.decided_by or ""), renderer)


def _line(
    question: Question, attempt: Attempt, line: RubricLine, decision: bool | None, renderer: Renderer
) -> None:
    text = renderer.text(line.text)
    if decision is not None:
        text = f"{text} :small[:violet[{t('score.decided')}]]"
    key = _key(question, attempt, line)
    value = line.id in attempt.ticks if decision is None else decision
    st.checkbox(
        text,
        value=value,
        key=key if decision is None else f"{key}.decided",
        disabled=decision is not None or attempt.finished is not None,
        on_change=store.guarded(_tick),
        args=(question, attempt),
    )


def _key(question: Question, attempt: Attempt, line: RubricLine) -> str:
    return f"{question.key}.tick.{line.id}.{attempt.id[:8]}"


def _tick(question: Question, attempt: Attempt) -> None:
    """Record all boxes as they are now; lines without a box on this page keep their tick."""
    ticks = {
        line.id
        for line in question.rubric
        if st.session_state.get(_key(question, attempt, line), line.id in attempt.ticks)
    }
    store.record(question, ticks=ticks)


def _result(result: Score, attempt: Attempt) -> None:
    with st.container(border=True, key="score", gap="xsmall"):
        badge = " ".join(f":violet-badge[{t('score.bonus')}]" for _ in result.bonus)
        st.markdown(f"## {t('score.points', points=result.points)} {badge}")
        if result.missing:
            wanted = next(tier for tier in (60, 80, 100) if tier > result.points)
            st.markdown(t("score.missing", count=len(result.missing), tier=wanted))
        st.caption(_help(attempt))
        if attempt.finished is not None:
            st.caption(t("score.kept"))


def _help(attempt: Attempt) -> str:
    """Which help was used, in one sentence."""
    used = [t("hints.step", step=step) for step in (1, 2, 3) if hint_name(step) in attempt.help_used]
    if store.REFERENCE in attempt.help_used and not attempt.text.strip():
        used.append(t("score.reference_first"))
    return t("score.help", used=Markdown(" · ".join(used))) if used else t("score.no_help")
