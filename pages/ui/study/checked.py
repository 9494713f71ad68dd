"""What this device made of a question's claims: kept checks, kept runs that measure one. Draws nothing."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st

from labs.claims.verdicts import Verdict, by_run
from labs.contract import Experiment
from labs.evidence.question import digest
from labs.runner.job import Job
from pages.ui.experiments import experiment, registry
from pages.ui.site import server
from questions import Claim, Question

_CHECKS = "evidence/question"
_QUICK_SECONDS = 0.3
"""A kept result is read well within this."""
_FIELDS = {each.name for each in fields(Verdict)}


def start(question: Question) -> None:
    """Run all checks of the question here, also those that are kept."""
    settings = {"question": question.key}
    st.session_state[_state(question)] = server.submit(_CHECKS, settings, fresh=True)


def job_of(question: Question) -> Job | None:
    """The checks of this session, else those kept on this device; None where there are none."""
    job: Job | None = st.session_state.get(_state(question))
    if job is not None:
        return job
    checks = experiment(_CHECKS)
    return _kept(checks, question.key)


def verdicts(question: Question, job: Job | None) -> dict[str, Verdict]:
    """What is known, by claim id; nothing of checks that were made for other texts of the claims."""
    known = {}
    if job is not None and job.params is not None:
        result = job.result or experiment(_CHECKS).so_far(job.params, job.partials)
        if result is not None and result["digest"] == digest(question):
            for each in result["verdicts"]:
                known[each["id"]] = Verdict(**{name: each[name] for name in _FIELDS & each.keys()})
    for claim in question.claims:
        if claim.check is None and claim.measures and claim.experiment in registry():
            _from_kept_run(claim, known)
    return known


def _from_kept_run(claim: Claim, known: dict[str, Verdict]) -> None:
    measuring = experiment(claim.experiment or "")
    job = _kept(measuring)
    if job is not None and job.result is not None:
        known[claim.id] = by_run(claim, measuring, job)


def _kept(wanted: Experiment, question: str = "") -> Job | None:
    """A run under way or kept, at the default settings but for the question."""
    params = wanted.params.from_dict({"question": question} if question else {})
    job = server.worker().find(wanted.id, params)
    if job is not None:
        job.wait(_QUICK_SECONDS)
    return job


def _state(question: Question) -> str:
    return f"claims.{question.key}"
