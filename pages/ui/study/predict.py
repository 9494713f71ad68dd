"""Predict, then measure: one to three numbers are committed or skipped before anything is measured.

A prediction whose experiment is still to come is not asked. Nothing measured is drawn, nor run, before
every question has an answer or was skipped; both are kept with the attempt. What was answered is then
measured at once, the quickest first; what was skipped when somebody asks for it, so that a skip leaves the
worker free.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from labs.claims.checks import value_at
from labs.runner.job import Job
from pages.ui.experiments import experiment, registry
from pages.ui.lab import bench
from pages.ui.progress import runs
from pages.ui.site import server, store
from pages.ui.site.desk import Desk
from pages.ui.study.prediction_card import measured_card, seconds_of, unmeasured_card
from pages.ui.study.prediction_form import form
from pages.ui.words.i18n import t
from questions import Prediction, Question, Renderer
from study.intervals import range_of
from study.predictions import Answer, Outcome, judge, readable
from study.store import Attempt

_QUICK_SECONDS = 0.3
"""A run that is nearly instant gets the time to end, so that no progress bar flashes by."""


def asked(question: Question) -> tuple[Prediction, ...]:
    """The predictions that an experiment can answer."""
    return tuple(each for each in question.predictions if each.experiment in registry())


def is_settled(question: Question, attempt: Attempt | None) -> bool:
    """Whether each prediction was committed or skipped, so that measurements may be seen."""
    return answered(asked(question), attempt)


def answered(predictions: Iterable[Prediction], attempt: Attempt | None) -> bool:
    """Whether each of these was committed or skipped."""
    given = attempt.predictions if attempt else {}
    return all(prediction.id in given for prediction in predictions)


def outcomes(question: Question, attempt: Attempt | None) -> dict[str, Outcome]:
    """Each measured prediction of the question beside its measurement, by id."""
    return judged(asked(question), attempt)


def judged(predictions: Iterable[Prediction], attempt: Attempt | None) -> dict[str, Outcome]:
    """Each of these that was measured beside its measurement, by id.

    What is stored is judged again: an unreadable prediction counts as skipped, an unreadable measurement as
    not made.
    """
    found = {}
    for prediction in predictions:
        measured = _stored_measurement(prediction, attempt)
        if attempt is not None and prediction.id in attempt.predictions and measured is not None:
            answer = readable(prediction, attempt.predictions[prediction.id])
            ends = range_of(prediction, attempt.predictions)
            found[prediction.id] = judge(prediction, answer, measured, ends)
    return found


def section(question: Question, attempt: Attempt | None, renderer: Renderer, desk: Desk = store) -> None:
    """Draw the question's own predictions."""
    ask(question, asked(question), attempt, renderer, desk)


def ask(
    question: Question,
    predictions: tuple[Prediction, ...],
    attempt: Attempt | None,
    renderer: Renderer,
    desk: Desk = store,
) -> None:
    """Draw the form until it is committed or skipped; then a card for each prediction, in their order."""
    if not answered(predictions, attempt):
        form(question, predictions, attempt, renderer, desk)
        return
    if attempt is None:  # nothing is asked
        return
    unmeasured = _unmeasured(predictions, attempt)
    skipped = [each for each in unmeasured if readable(each, attempt.predictions[each.id]) is None]
    key = f"{question.key}.predict.wanted.{attempt.id}.{predictions[0].id}"
    wanted = st.session_state.get(key, False)
    measurable = unmeasured if wanted else [each for each in unmeasured if each not in skipped]
    found, under_way = _measure(question, measurable, desk)
    _cards(question, predictions, desk.attempt(question) or attempt, found, under_way, renderer)
    if any(_is_unreadable(prediction, attempt) for prediction in predictions):
        st.caption(t("predict.unreadable"))
    if skipped and not wanted:
        st.markdown(t("predict.unmeasured"))
        name = f"{question.key}.predict.measure.{predictions[0].id}"
        st.button(t("predict.measure"), key=name, on_click=_want, args=(key,))


def _cards(
    question: Question,
    predictions: Iterable[Prediction],
    attempt: Attempt,
    running: dict[str, Job],
    under_way: set[str],
    renderer: Renderer,
) -> None:
    measured = judged(predictions, attempt)
    for prediction in predictions:
        if prediction.id in measured:
            measured_card(question, prediction, measured[prediction.id], renderer)
            continue
        job = running.get(prediction.id)
        if job is None and readable(prediction, attempt.predictions[prediction.id]) is None:
            continue  # skipped, and nobody has asked for it
        unmeasured_card(prediction, attempt, job, renderer, under_way=prediction.id in under_way)
        if job is not None and job.state in ("failed", "cancelled"):
            key = _job(question, prediction)
            st.button(t("predict.retry"), key=f"{key}.retry", on_click=st.session_state.pop, args=(key, None))


def _unmeasured(predictions: Iterable[Prediction], attempt: Attempt) -> list[Prediction]:
    """The predictions that an unfinished attempt has still to measure."""
    if attempt.finished is not None:
        return []
    return [each for each in predictions if _stored_measurement(each, attempt) is None]


def _measure(
    question: Question, predictions: Iterable[Prediction], desk: Desk
) -> tuple[dict[str, Job], set[str]]:
    """Run what was not run yet, and record the numbers that are there.

    All are started before any is waited for, the quickest first: none waits behind a slow one of ours.
    Returns the jobs by prediction, and the predictions whose number is still to come.
    """
    under_way = set()
    jobs = [(each, _started(question, each)) for each in sorted(predictions, key=seconds_of)]
    for index, (prediction, job) in enumerate(jobs):
        job.wait(0 if index else _QUICK_SECONDS)
        if job.active:  # asked before its result is: what comes after this is looked for again
            under_way.add(prediction.id)
        if job.result is not None:
            bench.adopt(job)
            measured = _measured(prediction, job)
            if measured is not None:
                desk.record_measurement(question, prediction.id, measured)
                runs.note(desk, question, prediction.id, job)
    return {prediction.id: job for prediction, job in jobs}, under_way


def _started(question: Question, prediction: Prediction) -> Job:
    key = _job(question, prediction)
    if key not in st.session_state:
        st.session_state[key] = server.submit(prediction.experiment, dict(prediction.params))
    job: Job = st.session_state[key]
    return job


def _measured(prediction: Prediction, job: Job) -> Answer | None:
    """The number or the choice that was measured for the prediction; None if it is neither, such as NaN."""
    measuring = experiment(prediction.experiment)
    params = measuring.params.from_dict(prediction.params)
    value = value_at(measuring.complete(params, job.result or {}), prediction.measures)
    return readable(prediction, value if isinstance(value, str) else float(value))


def _stored_measurement(prediction: Prediction, attempt: Attempt | None) -> Answer | None:
    return readable(prediction, attempt.measurements.get(prediction.id)) if attempt else None


def _is_unreadable(prediction: Prediction, attempt: Attempt) -> bool:
    """Whether something is stored for a prediction that is none of its kind."""
    values = (attempt.predictions.get(prediction.id), attempt.measurements.get(prediction.id))
    return any(value is not None and readable(prediction, value) is None for value in values)


def _job(question: Question, prediction: Prediction) -> str:
    return f"{question.key}.predict.{prediction.id}.job"


def _want(key: str) -> None:
    st.session_state[key] = True
