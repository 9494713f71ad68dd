"""Predict, then measure: one to three numbers are committed or skipped before anything is measured.

A prediction whose experiment is still to come is not asked. Nothing measured is drawn, nor run, before
every question has an answer or was skipped; both are kept with the attempt. What was answered is then
measured at once; what was skipped when somebody asks for it, so that a skip leaves the worker free.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from labs.claims.checks import value_at
from labs.runner.job import Job
from pages.ui.experiments import experiment, registry
from pages.ui.lab import bench, jobs
from pages.ui.progress import runs
from pages.ui.site import server, store
from pages.ui.words.i18n import current_language, t
from pages.ui.words.markdown import Markdown
from questions import Prediction, Question, Renderer
from study.predictions import Answer, AnswerError, Outcome, check_answer, judge, readable
from study.store import Attempt


def asked(question: Question) -> tuple[Prediction, ...]:
    """The predictions that an experiment can answer."""
    known = {experiment.id for experiment in registry()}
    return tuple(prediction for prediction in question.predictions if prediction.experiment in known)


def is_settled(question: Question, attempt: Attempt | None) -> bool:
    """Whether each prediction was committed or skipped, so that measurements may be seen."""
    given = attempt.predictions if attempt else {}
    return all(prediction.id in given for prediction in asked(question))


def outcomes(question: Question, attempt: Attempt | None) -> dict[str, Outcome]:
    """Each measured prediction beside its measurement, by id.

    What is stored is judged again: an unreadable prediction counts as skipped, an unreadable measurement as
    not made.
    """
    found = {}
    for prediction in asked(question):
        measured = _stored_measurement(prediction, attempt)
        if attempt is not None and prediction.id in attempt.predictions and measured is not None:
            answer = readable(prediction, attempt.predictions[prediction.id])
            found[prediction.id] = judge(prediction, answer, measured)
    return found


def _stored_measurement(prediction: Prediction, attempt: Attempt | None) -> Answer | None:
    return readable(prediction, attempt.measurements.get(prediction.id)) if attempt else None


def _is_unreadable(prediction: Prediction, attempt: Attempt) -> bool:
    """Whether something is stored for a prediction that is none of its kind."""
    values = (attempt.predictions.get(prediction.id), attempt.measurements.get(prediction.id))
    return any(value is not None and readable(prediction, value) is None for value in values)


def section(question: Question, attempt: Attempt | None, renderer: Renderer) -> None:
    """Draw the form until it is committed or skipped; then each prediction beside what was measured."""
    if not is_settled(question, attempt):
        _form(question, renderer)
        return
    assert attempt is not None or not asked(question)
    unmeasured = _unmeasured(question, attempt)
    skipped = [
        prediction
        for prediction in unmeasured
        if attempt and readable(prediction, attempt.predictions[prediction.id]) is None
    ]
    wanted = st.session_state.get(_wanted(question), False)
    for prediction in unmeasured:
        if wanted or prediction not in skipped:
            _measure(question, prediction)
    attempt = store.attempt(question)
    for outcome in outcomes(question, attempt).values():
        _sentence(question.prediction(outcome.prediction), outcome, renderer)
    if attempt and any(_is_unreadable(prediction, attempt) for prediction in asked(question)):
        st.caption(t("predict.unreadable"))
    if skipped and not wanted:
        st.markdown(t("predict.unmeasured"))
        st.button(
            t("predict.measure"), key=f"{question.key}.predict.measure", on_click=_want, args=(question,)
        )


def _unmeasured(question: Question, attempt: Attempt | None) -> list[Prediction]:
    """The predictions that an unfinished attempt has still to measure."""
    if attempt is None or attempt.finished is not None:
        return []
    return [each for each in asked(question) if _stored_measurement(each, attempt) is None]


def _wanted(question: Question) -> str:
    return f"{question.key}.predict.wanted"


def _want(question: Question) -> None:
    st.session_state[_wanted(question)] = True


def _form(question: Question, renderer: Renderer) -> None:
    st.markdown(t("predict.lead"))
    with st.form(f"{question.key}.predict", border=True):
        for prediction in asked(question):
            _field(question, prediction, renderer)
        with st.container(horizontal=True):
            st.form_submit_button(
                t("predict.commit"), type="primary", on_click=store.guarded(_commit), args=(question,)
            )
            st.form_submit_button(t("predict.skip"), on_click=store.guarded(_skip), args=(question,))


def _field(question: Question, prediction: Prediction, renderer: Renderer) -> None:
    text, key = renderer.text(prediction.question), _key(question, prediction)
    st.markdown(text)
    if prediction.kind == "choice":
        names = {choice.id: renderer.text(choice.text) for choice in prediction.choices}
        st.radio(
            text,
            list(names),
            index=None,
            format_func=names.__getitem__,
            key=key,
            label_visibility="collapsed",
        )
        return
    unit = prediction.unit[current_language()] if prediction.unit else t("predict.number")
    st.number_input(text, value=None, key=key, label_visibility="collapsed", placeholder=unit, width=220)


def _key(question: Question, prediction: Prediction) -> str:
    return f"{question.key}.predict.{prediction.id}"


def _commit(question: Question) -> None:
    """Record the answers; a field left empty, or with an impossible number, counts as skipped."""
    answers: dict[str, Answer | None] = {}
    for prediction in asked(question):
        answer = st.session_state.get(_key(question, prediction))
        try:
            if answer is not None:
                check_answer(prediction, answer)
        except AnswerError:
            answer = None
        answers[prediction.id] = answer
    store.record_predictions(question, answers)


def _skip(question: Question) -> None:
    store.record_predictions(question, {prediction.id: None for prediction in asked(question)})


def _measure(question: Question, prediction: Prediction) -> None:
    """Run the experiment, and record its number once it is there."""
    key = f"{_key(question, prediction)}.job"
    job: Job | None = st.session_state.get(key)
    if job is None or job.state in ("failed", "cancelled"):
        job = server.worker().submit(prediction.experiment, dict(prediction.params))
        st.session_state[key] = job
    if jobs.result_of(job) is not None:
        bench.adopt(job)
        measured = _measured(prediction, job)
        if measured is not None:
            store.record_measurement(question, prediction.id, measured)
            runs.note(question, prediction.id, job)


def _measured(prediction: Prediction, job: Job) -> Answer | None:
    """The number or the choice that was measured for the prediction; None if it is neither, such as NaN."""
    measuring = experiment(prediction.experiment)
    params = measuring.params.from_dict(prediction.params)
    value = value_at(measuring.complete(params, job.result or {}), prediction.measures)
    return readable(prediction, value if isinstance(value, str) else float(value))


def _formula(prediction: Prediction) -> Any:
    """The same number by the formula; None where the lab has none."""
    measuring = experiment(prediction.experiment)
    formula = measuring.formula(measuring.params.from_dict(prediction.params))
    try:
        return None if formula is None else value_at(formula, prediction.measures)
    except (LookupError, TypeError):
        return None


def _sentence(prediction: Prediction, outcome: Outcome, renderer: Renderer) -> None:
    """Draw *you said …, the formula says …, this machine measured …*, and why."""
    formula = _formula(prediction)
    said = (
        t("predict.skipped")
        if outcome.answer is None
        else t("predict.said", said=_strong("violet", _shown(prediction, outcome.answer, renderer)))
    )
    numbers = {"said": said, "measured": _strong("green", _shown(prediction, outcome.measured, renderer))}
    if formula is None:
        sentence = t("predict.measured", **numbers)
    else:
        shown = _shown(prediction, formula, renderer)
        sentence = t("predict.formula", **numbers, formula=_strong("blue", shown))
    claim = renderer.question.claim(prediction.claim)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f":small[{renderer.text(prediction.question)}]")
        st.markdown(sentence + _verdict(outcome))
        because = outcome.explanation.text if outcome.explanation else None
        st.markdown(renderer.text(because) if because else renderer.text(claim.truth, claim))


def _verdict(outcome: Outcome) -> str:
    if outcome.correct is None:
        return ""
    return " " + (t("predict.near") if outcome.correct else t("predict.off"))


def _strong(colour: str, shown: Markdown) -> Markdown:
    return Markdown(f":{colour}[**{shown}**]")


def _shown(prediction: Prediction, value: Answer, renderer: Renderer) -> Markdown:
    """A number with its unit, or the text of a choice: nothing that a file could have brought in."""
    if isinstance(value, str):
        texts = {choice.id: choice.text for choice in prediction.choices}
        return Markdown(renderer.text(texts[value]) if value in texts else "–")
    unit = prediction.unit[renderer.language] if prediction.unit else ""
    return Markdown(f"{value:,.4g}{chr(0xA0) if unit not in ('', '%', '×') else ''}{unit}")
