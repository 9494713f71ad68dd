"""What an attempt is worth, where that comes from, what is still missing and what can no longer be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st

from pages.ui.progress.words import session_words
from pages.ui.site import store
from pages.ui.study.hints import hint_name
from pages.ui.words.i18n import t
from pages.ui.words.markdown import Markdown
from questions import Question, Renderer
from study.review import review
from study.scoring import Score, highest, met_lines, score
from study.store import Attempt

_STEPS = (60, 80, 100)


def score_box(
    question: Question, attempt: Attempt, decisions: Mapping[str, bool | None], renderer: Renderer
) -> None:
    """Draw the points; `decisions` has what predictions decided, by their id."""
    result = score(question.rubric, met_lines(question.rubric, attempt.ticks, decisions))
    with st.container(border=True, key="score", gap="xsmall"):
        badge = f" :violet-badge[{t('score.bonus', count=len(result.bonus))}]" if result.bonus else ""
        st.markdown(f"## {t('score.points', points=result.points)}{badge}")
        if result.points == 40 and not attempt.ticks:
            st.markdown(t("score.by_predictions"))
        if result.missing:
            _next_tier(question, attempt, result, decisions, renderer)
        st.markdown(f":small[{_help(attempt)}]")
        if attempt.finished is not None:
            st.markdown(f":small[{t('score.kept')} {_due(question)}]")


def _next_tier(
    question: Question,
    attempt: Attempt,
    result: Score,
    decisions: Mapping[str, bool | None],
    renderer: Renderer,
) -> None:
    """Name the lines that the next tier lacks, and say so where predictions have put it out of reach."""
    wanted = next(tier for tier in _STEPS if tier > result.points)
    lost = [line for line in question.rubric if decisions.get(line.decided_by or "") is False]
    open_lines = [name for name in result.missing if name not in {line.id for line in lost}]
    over = attempt.finished is not None
    if open_lines:
        missing = t("score.was_missing" if over else "score.missing", tier=wanted)
        st.markdown(missing + _list(question, open_lines, renderer))
    best = highest(question.rubric, decisions)
    if best < 100:
        gone = next(tier for tier in _STEPS if tier > best)
        names = [line.id for line in lost if line.tier == gone]
        out = t("score.was_out_of_reach" if over else "score.out_of_reach", tier=gone)
        st.markdown(out + _list(question, names, renderer))


def _list(question: Question, names: Iterable[str], renderer: Renderer) -> str:
    texts = {line.id: renderer.text(line.text) for line in question.rubric}
    return "\n" + "\n".join(f"- {texts[name]}" for name in names)


def _due(question: Question) -> str:
    """When it is to be answered again, after all attempts so far."""
    planned = review(store.attempts(question))
    return t("score.due", date=session_words().date(planned.due)) if planned else ""


def _help(attempt: Attempt) -> str:
    """Which help was used, in one sentence."""
    used = [t("hints.step", step=step) for step in (1, 2, 3) if hint_name(step) in attempt.help_used]
    if store.REFERENCE in attempt.help_used and not attempt.text.strip():
        used.append(t("score.reference_first"))
    return t("score.help", used=Markdown(" · ".join(used))) if used else t("score.no_help")
