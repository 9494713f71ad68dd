"""Scoring oneself: the rubric's lines as boxes to tick, and at once what they are worth.

A line that a prediction decides is decided by it, and says why it is won or lost. Help used is shown and
costs nothing. Kept scores stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.ui.site import store
from pages.ui.study import again
from pages.ui.study.predict import outcomes
from pages.ui.study.prediction_card import shown
from pages.ui.study.score_box import score_box
from pages.ui.words.i18n import t
from pages.ui.words.markdown import Markdown
from pages.ui.words.question_text import renderer_of
from questions import Question, Renderer, RubricLine, Tolerance
from questions.interview import TIERS
from study.predictions import Outcome
from study.scoring import Points, met_lines, score
from study.store import Attempt

Outcomes = Mapping[str, Outcome]
"""The measured predictions by id."""


def section(question: Question) -> None:
    """Draw the whole section. It is a fragment: a tick redraws only this."""
    st.fragment(_section)(question, _stage(store.attempt(question)))


def _stage(attempt: Attempt | None) -> tuple[str, bool] | None:
    return None if attempt is None else (attempt.id, attempt.finished is not None)


def _section(question: Question, drawn: tuple[str, bool] | None) -> None:
    """`drawn` is the stage that the page around shows: a kept score and a new attempt change all of it."""
    attempt = store.attempt(question)
    if _stage(attempt) != drawn:
        st.rerun()
    if attempt is None:
        return
    renderer = renderer_of(question)
    found = outcomes(question, attempt)
    decisions = {name: outcome.correct for name, outcome in found.items()}
    for tier in TIERS:
        _tier(question, attempt, [line for line in question.rubric if line.tier == tier], found, renderer)
    score_box(question, attempt, decisions, renderer)
    points = score(question.rubric, met_lines(question.rubric, attempt.ticks, decisions)).points
    _buttons(question, attempt, points)
    if trouble := store.callback_trouble():
        st.error(trouble)


def _buttons(question: Question, attempt: Attempt, points: Points) -> None:
    if attempt.finished is not None:
        again.buttons(question)
        return
    answered = _is_answered(attempt)
    st.button(
        t("score.keep"),
        type="primary",
        key=f"{question.key}.keep",
        on_click=store.guarded(_keep),
        args=(question, attempt, points),
        disabled=not answered,
    )
    if not answered:
        st.markdown(t("score.unanswered"))


def _is_answered(attempt: Attempt) -> bool:
    """Whether there is anything to score: a text, a tick or a prediction."""
    predicted = any(answer is not None for answer in attempt.predictions.values())
    return bool(attempt.text.strip() or attempt.ticks or predicted)


def _keep(question: Question, attempt: Attempt, points: Points) -> None:
    store.check_unfinished(question, attempt)
    store.finish(question, points)


def _tier(
    question: Question, attempt: Attempt, lines: list[RubricLine], found: Outcomes, renderer: Renderer
) -> None:
    if not lines:
        return
    st.markdown(f"**{t(f'score.tier.{lines[0].tier}')}**")
    with st.container(gap="xsmall", key=f"tier-{lines[0].tier}"):
        for line in lines:
            outcome = found.get(line.decided_by or "")
            if outcome is not None and outcome.correct is not None:
                _decided(question, line, outcome, renderer)
            elif attempt.finished is not None:
                _mark(line.id in attempt.ticks, renderer.text(line.text))
            else:
                _box(question, attempt, line, renderer)


def _decided(question: Question, line: RubricLine, outcome: Outcome, renderer: Renderer) -> None:
    """A line that a prediction has won or lost, and why."""
    prediction = question.prediction(outcome.prediction)
    assert outcome.answer is not None, "what was skipped decides nothing"
    numbers = {
        "said": shown(prediction, outcome.answer, renderer),
        "right": shown(prediction, outcome.measured, renderer),
    }
    if not outcome.correct:
        why = t("score.lost", **numbers, enough=_enough(prediction.tolerance))
    else:
        why = t("score.won_exactly" if outcome.exact else "score.won", **numbers)
    _mark(outcome.correct is True, renderer.text(line.text), why)


def _enough(tolerance: Tolerance | None) -> Markdown:
    """What would have won a line; nothing for a choice, where that is plain."""
    if tolerance is None:
        return Markdown("")
    if tolerance.amount == 0:
        return t("score.enough.exactly")
    amount = tolerance.amount * (100 if tolerance.kind == "relative" else 1)
    return t(f"score.enough.{tolerance.kind}", amount=f"{amount:g}")


def _mark(met: bool, text: str, why: str = "") -> None:
    """A line that nobody can tick, as large as one with a box and in the text's own ink."""
    reason = f"  \n:small[{why}]" if why else ""
    st.markdown(f":small[**{'✓' if met else '✗'}** {text}]{reason}")


def _box(question: Question, attempt: Attempt, line: RubricLine, renderer: Renderer) -> None:
    st.checkbox(
        renderer.text(line.text),
        value=line.id in attempt.ticks,
        key=_key(question, attempt, line),
        on_change=store.guarded(_tick),
        args=(question, attempt),
    )


def _key(question: Question, attempt: Attempt, line: RubricLine) -> str:
    return f"{question.key}.tick.{line.id}.{attempt.id[:8]}"


def _tick(question: Question, attempt: Attempt) -> None:
    """Record all boxes as they are now; lines without a box on this page keep their tick."""
    store.check_unfinished(question, attempt)
    ticks = {
        line.id
        for line in question.rubric
        if st.session_state.get(_key(question, attempt, line), line.id in attempt.ticks)
    }
    store.record(question, ticks=ticks)
