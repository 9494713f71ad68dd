"""One prediction after it was committed: you said, the formula says, here measured, because.

While its number is measured the card says so, with what was said. A wrong number is explained by the wrong
answer that it is, else by the factor that it is off by, else by what is true.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import streamlit as st

from labs.runner.job import Job
from labs.tools.budgets import device_class
from pages.ui.experiments import experiment
from pages.ui.lab import jobs
from pages.ui.progress.three_numbers import formula_of, is_measured
from pages.ui.site import server
from pages.ui.study.shown_number import shown_number, with_unit
from pages.ui.words.i18n import t
from pages.ui.words.markdown import Markdown
from questions import Prediction, Question, Renderer
from study.detective import AGAINST_FORMULA, Explanation, explain, window_of
from study.intervals import range_of
from study.predictions import Answer, Outcome, readable
from study.store import Attempt


def measured_card(question: Question, prediction: Prediction, outcome: Outcome, renderer: Renderer) -> None:
    """Draw a prediction beside its measurement."""
    formula = formula_of(prediction)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f":small[{renderer.text(prediction.question)}]")
        st.markdown(" ".join([_sentence(prediction, outcome, formula, renderer), *_verdicts(outcome)]))
        for text in _because(question, prediction, outcome, formula, renderer):
            st.markdown(text)


def unmeasured_card(
    prediction: Prediction, attempt: Attempt, job: Job | None, renderer: Renderer, *, under_way: bool
) -> None:
    """Draw what was said, and how far the measurement is where one was `under_way` when the page looked.

    Not whether it is now: what has ended since is recorded by the next run of the page.
    """
    said = said_in(prediction, attempt, renderer)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f":small[{renderer.text(prediction.question)}]")
        if job is None:
            st.markdown(t("predict.not_measured", said=said))
        elif under_way:
            st.markdown(t("predict.measuring", said=said, seconds=jobs.rounded(seconds_of(prediction))))
            jobs.follow(job, jobs.progress)
        else:
            st.markdown(t("predict.not_measured", said=said))
            if job.error:
                jobs.failure(job)


def seconds_of(prediction: Prediction) -> float:
    """How long its experiment should take on the worker's device."""
    measuring = experiment(prediction.experiment)
    params = measuring.params.from_dict(prediction.params)
    return measuring.seconds(params, device_class(server.worker().status().device))


def said_in(prediction: Prediction, attempt: Attempt, renderer: Renderer) -> Markdown:
    """What was said for a prediction: a number or a choice, a range, or nothing."""
    answer = readable(prediction, attempt.predictions.get(prediction.id))
    return _said(prediction, answer, range_of(prediction, attempt.predictions), renderer)


def _said(
    prediction: Prediction, answer: Answer | None, ends: tuple[float, float] | None, renderer: Renderer
) -> Markdown:
    if answer is None:
        return t("predict.skipped")
    if ends is not None:
        low = _strong("violet", Markdown(shown_number(ends[0])))
        high = _strong("violet", shown(prediction, ends[1], renderer))
        return t("predict.said_range", low=low, high=high)
    return t("predict.said", said=_strong("violet", shown(prediction, answer, renderer)))


def _sentence(prediction: Prediction, outcome: Outcome, formula: Any, renderer: Renderer) -> Markdown:
    ends = (outcome.interval.low, outcome.interval.high) if outcome.interval else None
    numbers = {"said": _said(prediction, outcome.answer, ends, renderer)}
    if formula is not None:
        numbers["formula"] = _strong("blue", shown(prediction, formula, renderer))
    if formula is not None and not is_measured(prediction):
        return t("predict.formula_alone", **numbers)
    numbers["measured"] = _strong("green", shown(prediction, outcome.measured, renderer))
    return t("predict.measured" if formula is None else "predict.formula", **numbers)


def _verdicts(outcome: Outcome) -> list[str]:
    """Whether the number was right, and whether the range held."""
    if outcome.correct is None:
        return []
    verdict = "exact" if outcome.exact else "near" if outcome.correct else "off"
    said: list[str] = [t(f"predict.{verdict}")]
    if outcome.interval is not None:
        said.append(t("predict.held" if outcome.interval.held else "predict.missed"))
    return said


def _because(
    question: Question, prediction: Prediction, outcome: Outcome, formula: Any, renderer: Renderer
) -> list[str]:
    if outcome.explanation is not None:
        return [renderer.text(outcome.explanation.text)]
    claim = question.claim(prediction.claim)
    truth = _measured_here(prediction, outcome, renderer).text(claim.truth, claim)
    found = _factors(question, prediction, outcome, formula)
    return [truth] if found is None else [_told(found, renderer), truth]


def _factors(
    question: Question, prediction: Prediction, outcome: Outcome, formula: Any
) -> Explanation | None:
    """By which of the question's factors a wrong number is off, against the formula where there is one."""
    answer, measured = outcome.answer, outcome.measured
    if outcome.correct is not False or isinstance(answer, str | None) or isinstance(measured, str):
        return None
    if formula is not None:
        return explain(question, prediction, answer, float(formula), AGAINST_FORMULA)
    return explain(question, prediction, answer, measured, window_of(prediction, measured))


def _told(found: Explanation, renderer: Renderer) -> Markdown:
    reasons = t("predict.and").join(renderer.text(reason) for reason in found.reasons)
    key = "predict.too_much" if found.too_much else "predict.too_little"
    return t(key, factor=Markdown(shown_number(float(f"{found.factor:.3g}"))), reasons=Markdown(reasons))


def _measured_here(prediction: Prediction, outcome: Outcome, renderer: Renderer) -> Renderer:
    """A renderer that says our own number where the claim is about the very number that was predicted."""
    claim = renderer.question.claim(prediction.claim)
    own = (claim.experiment, claim.measures) == (prediction.experiment, prediction.measures)
    if not own or isinstance(outcome.measured, str):
        return renderer
    return replace(
        renderer,
        measured={**renderer.measured, claim.id: Decimal(f"{outcome.measured:.4g}")},
        sources={**renderer.sources, claim.id: t("predict.here")},
    )


def _strong(colour: str, text: Markdown) -> Markdown:
    return Markdown(f":{colour}[**{text}**]")


def shown(prediction: Prediction, value: Answer, renderer: Renderer) -> Markdown:
    """A number with its unit, or the text of a choice: nothing that a file could have brought in."""
    if isinstance(value, str):
        texts = {choice.id: choice.text for choice in prediction.choices}
        return Markdown(renderer.text(texts[value]) if value in texts else "–")
    return Markdown(with_unit(prediction, value, renderer.language))
