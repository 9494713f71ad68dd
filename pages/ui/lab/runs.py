"""The runs of an experiment's panel in this session: the one in view, the one before it, and how one begins.

What is kept on disk for the settings in view, or is under way for them since before a reload, is found again
without a click. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from labs.contract import Experiment, Params
from labs.runner.job import Job
from pages.ui import experiments
from pages.ui.site import server

_QUICK_SECONDS = 0.3
"""A kept result is read well within this."""


def state(experiment: Experiment) -> str:
    """How the keys of an experiment's panel begin."""
    return f"{experiment.id.replace('/', '_')}.bench"


def start(experiment: Experiment, settings: Mapping[str, Any], *, fresh: bool) -> None:
    """Run it; `fresh` measures again what is kept."""
    if fresh:
        job = server.submit(experiment.id, dict(settings), fresh=True)
    else:
        job = server.submit(experiment.id, dict(settings))
    _bring_into_view(experiment, job)


def current(experiment: Experiment, params: Params) -> Job | None:
    """The run in view. Where the newest was made with other settings, one that is there for these."""
    job: Job | None = st.session_state.get(state(experiment))
    if experiment.instant or (job is not None and (job.active or (fits(job, params) and _told(job)))):
        return job
    found = _found(experiment, params)
    if found is None:
        return job if job is None or _told(job) else before(experiment)
    _bring_into_view(experiment, found)
    return found


def before(experiment: Experiment) -> Job | None:
    """The last run with a result before the one in view."""
    job: Job | None = st.session_state.get(f"{state(experiment)}.before")
    return job


def fits(job: Job, params: Params) -> bool:
    """Whether the run measured what these settings ask for."""
    return job.params is not None and job.params.measured() == params.measured()


def adopt(job: Job) -> None:
    """Let a done run that was made elsewhere, such as for a prediction, be its panel's first one."""
    experiment = experiments.experiment(job.experiment_id)
    if not experiment.instant and fits(job, experiment.params()):
        st.session_state.setdefault(state(experiment), job)


def has_result(experiment: Experiment) -> bool:
    """Whether a run of this session has a result in view."""
    job: Job | None = st.session_state.get(state(experiment))
    return job is not None and job.result is not None


def _told(job: Job) -> bool:
    """Whether an ended run has something to say; one that was stopped has not."""
    return job.result is not None or bool(job.error)


def _bring_into_view(experiment: Experiment, job: Job) -> None:
    last: Job | None = st.session_state.get(state(experiment))
    if last is not None and last.result is not None:
        st.session_state[f"{state(experiment)}.before"] = last
    st.session_state[state(experiment)] = job


def _found(experiment: Experiment, params: Params) -> Job | None:
    """A run under way or a kept result; the worker is asked once for the same settings."""
    status = server.worker().status()
    asked = (params.measured(), status.device_name, status.model_name)
    if st.session_state.get(f"{state(experiment)}.asked") == asked:
        return None
    st.session_state[f"{state(experiment)}.asked"] = asked
    found: Job | None = server.worker().find(experiment.id, params)
    if found is not None:
        found.wait(_QUICK_SECONDS)
    return found
