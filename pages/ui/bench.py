"""A lab on its page: for each experiment its controls, a run, its figures, and the code behind them.

Knows no question: what can be set, how long it takes and what is drawn come from the experiment itself.
Nothing runs before somebody asks for it; until then a recorded run is shown, and said to be one.
"""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from labs.contract import Experiment, Result
from labs.fields import ParamError, Params
from labs.recordings import recorded
from labs.runner.job import Job
from pages.ui import charts, controls, jobs, server
from pages.ui.i18n import t
from pages.ui.lab import experiment

_HEIGHT = 360


def lab(names: Iterable[str]) -> None:
    """The experiments of these ids one below the other, the primary one first."""
    for name in names:
        _panel(experiment(name))


def _panel(this: Experiment) -> None:
    st.subheader(t(this.title), anchor=False)
    st.markdown(t(f"{this.question}.{this.name}.about"))
    params = _params(this)
    if params is None:
        return
    job = _job(this, params)
    if job is not None and job.active:
        jobs.follow(job, _running)
    elif job is not None and job.result is not None:
        _measured_here(this, params, job)
    else:
        if job is not None and job.error:
            jobs.failure(job)
        _recorded(this)
    _code(this, params)


def _params(this: Experiment) -> Params | None:
    """What the controls say; None, with one sentence, where they cannot be run together."""
    specs, prefix = this.params.specs(), _prefix(this)
    primary = [spec.name for spec in specs if spec.primary]
    for field, column in zip(primary, st.columns(max(len(primary), 1)), strict=False):
        with column:
            controls.control(this.params, field, prefix)
    if rest := [spec.name for spec in specs if not spec.primary]:
        with st.expander(t("bench.more")):
            for field in rest:
                controls.control(this.params, field, prefix)
    try:
        return this.params.from_dict(controls.values(this.params, prefix))
    except ParamError as error:
        st.error(str(error))
        return None


def _job(this: Experiment, params: Params) -> Job | None:
    """The run that was asked for last, and the button that asks for one."""
    job: Job | None = st.session_state.get(_state(this))
    if job is None or not job.active:
        status = server.worker().status()
        seconds = this.seconds(params, "cuda" if status.device == "cuda" else "cpu")
        label = t("bench.run", seconds=f"{max(seconds, 0.1):.2g}")
        st.button(label, key=f"{_state(this)}.run", type="primary", on_click=_run, args=(this, params))
    return job


def _run(this: Experiment, params: Params) -> None:
    st.session_state[_state(this)] = server.worker().submit(this.id, params.to_dict())


def _running(job: Job) -> None:
    jobs.progress(job)
    jobs.stop_button(job)


def _measured_here(this: Experiment, params: Params, job: Job) -> None:
    assert job.result is not None and job.params is not None
    if job.params.measured() != params.measured():
        st.caption(t("bench.changed"))
        params = job.params
    if job.cached:
        where = t("bench.kept", device=job.device_name, date=job.measured_at[:10])
    else:
        where = t("bench.measured", device=job.device_name)
    _result(this, this.complete(params, job.result), where, "measured")


def _recorded(this: Experiment) -> None:
    """The first recorded run, at the default settings; GPUs come first."""
    for record in recorded(this.id)[:1]:
        params = this.params.from_dict(record["params"])
        where = t("bench.recorded", device=record["device_name"], date=record["date"][:10])
        _result(this, this.complete(params, record["result"]), where, "recorded")


def _result(this: Experiment, result: Result, where: str, kind: str) -> None:
    st.caption(where)
    if sentence := result.get("sentence"):
        said, formula, measured = (f"{sentence[name]:.3g}" for name in ("said", "formula", "measured"))
        st.markdown(t("bench.sentence", said=said, formula=formula, measured=measured, unit=sentence["unit"]))
    about = t(f"{this.question}.{this.name}.about")
    for name, figure in this.figures(result, t).items():
        if kind == "recorded":
            charts.mark_as_recorded(figure)
        charts.show(figure, key=f"{_state(this)}.{kind}.{name}", height=_HEIGHT, alt=about)


def _code(this: Experiment, params: Params) -> None:
    with st.expander(t("bench.code")):
        st.code(this.command(params), language="bash")
        st.code(this.source(), language="python")


def _prefix(this: Experiment) -> str:
    return this.id.replace("/", "_")


def _state(this: Experiment) -> str:
    return f"{_prefix(this)}.bench"
