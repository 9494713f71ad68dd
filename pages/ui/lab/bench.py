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
from labs.contract import Data, Experiment, ParamError, Params
from labs.runner.job import Job
from labs.tools.budgets import device_class
from pages.ui import experiments
from pages.ui.lab import controls, findings, jobs, pins
from pages.ui.lab.findings import Finding
from pages.ui.lab.folded import folded
from pages.ui.site import server, visitor
from pages.ui.words import errors
from pages.ui.words.i18n import t

Draw = Callable[[Data], None]
"""Draws something of a completed result."""


def _nothing(_result: Data) -> None:
    """Adds nothing."""


@dataclass(frozen=True)
class _Panel:
    """Where a panel's controls stand, and what the page adds to it."""

    prefix: str
    elsewhere: tuple[str, ...]
    above: Draw
    below: Draw


def lab(names: Iterable[str]) -> None:
    """The experiments of these ids one below the other, the primary one first."""
    for name in names:
        panel(experiments.experiment(name))


def panel(
    experiment: Experiment,
    *,
    prefix: str = "",
    elsewhere: Collection[str] = (),
    above: Draw = _nothing,
    below: Draw = _nothing,
) -> None:
    """One experiment with its title.

    The fields named `elsewhere` have their controls in another place of the page, under `prefix`.
    `above` and `below` draw what the page adds around the figures of a completed result.
    """
    st.subheader(t(experiment.title), anchor=False)
    st.markdown(t(f"{experiment.lab}.{experiment.name}.about"))
    around = _Panel(prefix or experiment.id.replace("/", "_"), tuple(elsewhere), above, below)
    st.fragment(_body, key=f"{_state(experiment)}.panel")(experiment, around)


def adopt(job: Job) -> None:
    """Let a done run that was made elsewhere, such as for a prediction, be its panel's first one."""
    experiment = experiments.experiment(job.experiment_id)
    if (
        job.params is not None
        and not experiment.instant
        and job.params.measured() == experiment.params().measured()
    ):
        st.session_state.setdefault(_state(experiment), job)


def _body(experiment: Experiment, panel: _Panel) -> None:
    params = _params(experiment, panel)
    if params is None:
        return
    job: Job | None = st.session_state.get(_state(experiment))
    if job is not None and job.active:
        jobs.follow(job, partial(_running, experiment))
    else:
        if not experiment.instant:
            _run_button(experiment, params, panel)
        if job is not None and job.error:
            jobs.failure(job)
        _show(experiment, _finding(experiment, params, job), job, panel)
        pins.compared(experiment, job)
    code(experiment, params)


def _params(experiment: Experiment, panel: _Panel) -> Params | None:
    """What the controls say; None, with one sentence, where they cannot be run together."""
    specs = [spec for spec in experiment.params.specs() if spec.name not in panel.elsewhere]
    primary = [spec.name for spec in specs if spec.primary]
    for field, column in zip(primary, st.columns(max(len(primary), 1)), strict=False):
        with column:
            controls.control(experiment.params, field, panel.prefix)
    if rest := [spec.name for spec in specs if not spec.primary]:
        with st.expander(t("bench.more")):
            for field in rest:
                controls.control(experiment.params, field, panel.prefix)
    try:
        return experiment.params.from_dict(controls.values(experiment.params, panel.prefix))
    except ParamError as error:
        st.error(errors.said(error))
        return None


def _run_button(experiment: Experiment, params: Params, panel: _Panel) -> None:
    status = server.worker().status()
    seconds = experiment.seconds(params, device_class(status.device))
    label = t("bench.run", seconds=jobs.rounded(seconds))
    st.button(label, key=f"{_state(experiment)}.run", type="primary", on_click=_run, args=(experiment, panel))


def _run(experiment: Experiment, panel: _Panel) -> None:
    """Run with what the controls say now: a slider may have moved since the button was drawn."""
    settings = controls.values(experiment.params, panel.prefix)
    st.session_state[_state(experiment)] = server.worker().submit(experiment.id, settings)


def _running(experiment: Experiment, job: Job) -> None:
    """How far it is, and the figures of what it has so far where the lab can draw them."""
    jobs.progress(job)
    jobs.stop_button(job)
    assert job.params is not None
    so_far = experiment.so_far(job.params, job.partials) if job.partials else None
    if so_far is not None:
        drawn = findings.shown(experiment, experiment.complete(job.params, so_far)).figures
        findings.figures(experiment, drawn, "measured", named=len(drawn) > 1)


def _finding(experiment: Experiment, params: Params, job: Job | None) -> Finding | None:
    """What fits the settings best: a run with them, the formula, or else a run with other ones."""
    runs = (
        []
        if experiment.instant
        else [_recorded(experiment, params, record) for record in _records(experiment)]
    )
    measured = _measured(experiment, params, job)
    if measured is not None:
        runs.insert(0, measured)
    for found in runs:
        if found.params.measured() == params.measured():
            return found
    formula = experiment.formula(params) if experiment.drawn_by_formula else None
    if formula is None:
        return runs[0] if runs else None
    return Finding(params, formula, "formula", "" if experiment.instant else t("bench.formula"))


def _records(experiment: Experiment) -> list[dict[str, Any]]:
    """One recording at the defaults, of a GPU where there is one, and all at other settings."""
    return recorded(experiment.id)[:1] + variants(experiment.id)


def _measured(experiment: Experiment, params: Params, job: Job | None) -> Finding | None:
    if job is None or job.result is None or job.params is None:
        return None
    device = _device(job.device_name, job.dtype, job.versions)
    where: str = (
        t("bench.kept", device=device, date=job.measured_at[:10])
        if job.cached
        else t("bench.measured", device=device)
    )
    if job.params.measured() != params.measured():
        where = f"{where}. {t('bench.changed')}"
    return Finding(_viewed(job.params, params), job.result, "measured", where)


def _recorded(experiment: Experiment, params: Params, record: dict[str, Any]) -> Finding:
    device = _device(record["device_name"], record["dtype"], record["versions"])
    facts = {"device": device, "date": record["date"][:10], "runs": record["runs"]}
    where: str = t("bench.recorded", **facts) if record["runs"] > 1 else t("bench.recorded_once", **facts)
    run_with = experiment.params.from_dict(record["params"])
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


def _show(experiment: Experiment, finding: Finding | None, job: Job | None, panel: _Panel) -> None:
    if finding is None:
        return
    if finding.where:
        st.caption(finding.where)
    result = experiment.complete(finding.params, finding.result)
    panel.above(result)
    findings.draw(experiment, finding, result)
    panel.below(result)
    if finding.kind == "measured" and job is not None:
        pins.button(experiment, job)


def code(experiment: Experiment, params: Params) -> None:
    """The command that repeats the run, and the source of what runs."""
    settings = server.runner().settings
    here = visitor.at_this_machine(st.context.headers)  # somebody elsewhere reads no path of this machine
    model = settings.model if here else PurePath(settings.model).name

    def draw() -> None:
        st.code(
            experiment.command(params, device=settings.device, dtype=settings.dtype, model=model),
            language="bash",
            wrap_lines=True,
        )
        st.code(experiment.source(), language="python", wrap_lines=True)

    folded(t("bench.code"), draw, key=f"{_state(experiment)}.code")


def _state(experiment: Experiment) -> str:
    return f"{experiment.id.replace('/', '_')}.bench"
