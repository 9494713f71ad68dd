"""A lab on its page: for each experiment its controls, a run, what came of it, and the code behind it.

Knows no question: what can be set, how long it takes and what is drawn come from the experiment itself.
Nothing runs before somebody asks for it. Until then there is the formula, where the lab has one that
can be drawn, or a recorded run, said to be one. A slider redraws its own panel only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

import streamlit as st

from labs.claims.recordings import recorded, variants
from labs.contract.experiment import Experiment, Result
from labs.contract.fields import ParamError, Params
from labs.runner.job import Job
from labs.runner.request import device_class
from pages.ui.experiments import experiment
from pages.ui.lab import controls, findings, jobs, pins
from pages.ui.lab.findings import Finding
from pages.ui.lab.folded import folded
from pages.ui.site import server, visitor
from pages.ui.words import errors
from pages.ui.words.i18n import t

Told = Callable[[Result], None]
"""Draws something of a completed result."""


def _nothing(_result: Result) -> None:
    """Adds nothing."""


@dataclass(frozen=True)
class _Place:
    """Where a panel's controls stand, and what the page adds to it."""

    prefix: str
    elsewhere: tuple[str, ...]
    above: Told
    below: Told


def lab(names: Iterable[str]) -> None:
    """The experiments of these ids one below the other, the primary one first."""
    for name in names:
        panel(experiment(name))


def panel(
    this: Experiment,
    *,
    prefix: str = "",
    elsewhere: Collection[str] = (),
    above: Told = _nothing,
    below: Told = _nothing,
) -> None:
    """One experiment with its title.

    The fields named `elsewhere` have their controls in another place of the page, under `prefix`.
    `above` and `below` draw what the page adds around the figures of a completed result.
    """
    st.subheader(t(this.title), anchor=False)
    st.markdown(t(f"{this.question}.{this.name}.about"))
    place = _Place(prefix or this.id.replace("/", "_"), tuple(elsewhere), above, below)
    st.fragment(_body, key=f"{_state(this)}.panel")(this, place)


def adopt(job: Job) -> None:
    """Let a done run that was made elsewhere, such as for a prediction, be its panel's first one."""
    this = experiment(job.experiment_id)
    if job.params is not None and not this.instant and job.params.measured() == this.params().measured():
        st.session_state.setdefault(_state(this), job)


def _body(this: Experiment, place: _Place) -> None:
    params = _params(this, place)
    if params is None:
        return
    job: Job | None = st.session_state.get(_state(this))
    if job is not None and job.active:
        jobs.follow(job, partial(_running, this))
    else:
        if not this.instant:
            _run_button(this, params, place)
        if job is not None and job.error:
            jobs.failure(job)
        _show(this, _finding(this, params, job), job, place)
        pins.compared(this, job)
    code(this, params)


def _params(this: Experiment, place: _Place) -> Params | None:
    """What the controls say; None, with one sentence, where they cannot be run together."""
    specs = [spec for spec in this.params.specs() if spec.name not in place.elsewhere]
    primary = [spec.name for spec in specs if spec.primary]
    for field, column in zip(primary, st.columns(max(len(primary), 1)), strict=False):
        with column:
            controls.control(this.params, field, place.prefix)
    if rest := [spec.name for spec in specs if not spec.primary]:
        with st.expander(t("bench.more")):
            for field in rest:
                controls.control(this.params, field, place.prefix)
    try:
        return this.params.from_dict(controls.values(this.params, place.prefix))
    except ParamError as error:
        st.error(errors.said(error))
        return None


def _run_button(this: Experiment, params: Params, place: _Place) -> None:
    status = server.worker().status()
    seconds = this.seconds(params, device_class(status.device))
    label = t("bench.run", seconds=jobs.rounded(seconds))
    st.button(label, key=f"{_state(this)}.run", type="primary", on_click=_run, args=(this, place))


def _run(this: Experiment, place: _Place) -> None:
    """Run with what the controls say now: a slider may have moved since the button was drawn."""
    settings = controls.values(this.params, place.prefix)
    st.session_state[_state(this)] = server.worker().submit(this.id, settings)


def _running(this: Experiment, job: Job) -> None:
    """How far it is, and the figures of what it has so far where the lab can draw them."""
    jobs.progress(job)
    jobs.stop_button(job)
    assert job.params is not None
    so_far = this.live(job.params, job.partials)
    if so_far is not None:
        drawn = this.figures(so_far, t)
        findings.figures(this, drawn, "measured", named=len(drawn) > 1)


def _finding(this: Experiment, params: Params, job: Job | None) -> Finding | None:
    """What fits the settings best: a run with them, the formula, or else a run with other ones."""
    runs = [] if this.instant else [_recorded(this, params, record) for record in _records(this)]
    measured = _measured(this, params, job)
    if measured is not None:
        runs.insert(0, measured)
    for found in runs:
        if found.params.measured() == params.measured():
            return found
    analytic = this.analytic(params) if this.drawn_by_formula else None
    if analytic is None:
        return runs[0] if runs else None
    return Finding(params, analytic, "formula", "" if this.instant else t("bench.formula"))


def _records(this: Experiment) -> list[dict[str, Any]]:
    """One recording at the defaults, of a GPU where there is one, and all at other settings."""
    return recorded(this.id)[:1] + variants(this.id)


def _measured(this: Experiment, params: Params, job: Job | None) -> Finding | None:
    if job is None or job.result is None or job.params is None:
        return None
    device = _device(job.device_name, job.dtype, job.versions)
    where = (
        t("bench.kept", device=device, date=job.measured_at[:10])
        if job.cached
        else t("bench.measured", device=device)
    )
    if job.params.measured() != params.measured():
        where = f"{where}. {t('bench.changed')}"
    return Finding(_viewed(job.params, params), job.result, "measured", where)


def _recorded(this: Experiment, params: Params, record: dict[str, Any]) -> Finding:
    device = _device(record["device_name"], record["dtype"], record["versions"])
    facts = {"device": device, "date": record["date"][:10], "runs": record["runs"]}
    where = t("bench.recorded", **facts) if record["runs"] > 1 else t("bench.recorded_once", **facts)
    run_with = this.params.from_dict(record["params"])
    if run_with.measured() != params.measured():
        where = f"{where}. {t('bench.defaults')}"
    return Finding(_viewed(run_with, params), record["result"], "recorded", where)


def _device(name: str, dtype: str, versions: Mapping[str, str]) -> str:
    return f"{name}, {dtype}, torch {versions.get('torch', '')}"


def _viewed(run_with: Params, now: Params) -> Params:
    """The settings of a run, looked at as the view fields say now."""
    view = {spec.name: getattr(now, spec.name) for spec in now.specs() if spec.view}
    try:
        return type(run_with).from_dict(run_with.to_dict() | view)
    except ParamError:  # they do not go together: look at it as it was run
        return run_with


def _show(this: Experiment, finding: Finding | None, job: Job | None, place: _Place) -> None:
    if finding is None:
        return
    if finding.where:
        st.caption(finding.where)
    result = this.complete(finding.params, finding.result)
    place.above(result)
    findings.draw(this, finding, result)
    place.below(result)
    if finding.kind == "measured" and job is not None:
        pins.button(this, job)


def code(this: Experiment, params: Params) -> None:
    """The command that repeats the run, and the source of what runs."""
    settings = server.runner().settings
    here = visitor.at_this_machine(st.context.headers)  # somebody elsewhere reads no path of this machine
    model = settings.model if here else PurePath(settings.model).name

    def draw() -> None:
        st.code(
            this.command(params, device=settings.device, dtype=settings.dtype, model=model),
            language="bash",
            wrap_lines=True,
        )
        st.code(this.source(), language="python", wrap_lines=True)

    folded(t("bench.code"), draw, key=f"{_state(this)}.code")


def _state(this: Experiment) -> str:
    return f"{this.id.replace('/', '_')}.bench"
