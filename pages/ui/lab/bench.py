"""A lab on its page: for each experiment its controls, a run, what came of it, and the code behind it.

Knows no question: what can be set, how long it takes and what is drawn come from the experiment itself.
The primary experiment of a lab is open; each other is a row that says its result in one line, and is drawn
once somebody opens it. Nothing runs before somebody asks for it. Until then there is a result kept for these
settings, the formula, where the lab has one that can be drawn, or a recorded run, said to be one. A slider
redraws its own panel only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

import streamlit as st

from labs.contract import Data, Experiment, ParamError, Params
from labs.contract.shapes import Shapes
from labs.runner.job import Job
from labs.tools.budgets import device_class
from pages.ui import experiments
from pages.ui.lab import controls, findings, jobs, lesson, machine, pins, runs
from pages.ui.lab.blank_boxes import Judged
from pages.ui.lab.finding import Finding, best_finding
from pages.ui.lab.folded import fold, folded
from pages.ui.site import server, store, visitor
from pages.ui.site.desk import Desk
from pages.ui.words import errors
from pages.ui.words.i18n import t

Draw = Callable[[Data], None]
"""Draws something of a completed result."""


def _nothing(_result: Data) -> None:
    """Adds nothing."""


@dataclass(frozen=True)
class _Panel:
    """Where a panel's controls stand, what the page adds to it, whether its run is what comes next, and whose
    predictions it is shown beside.
    """

    prefix: str
    elsewhere: tuple[str, ...]
    above: Draw
    below: Draw
    next_up: bool
    desk: Desk


def lab(names: Iterable[str], *, next_up: bool = False, desk: Desk = store) -> None:
    """The experiments of these ids one below the other.

    `next_up`: to run the primary one is what the page asks for now. `desk` has the predictions of whoever
    looks.
    """
    for name in names:
        panel(experiments.experiment(name), next_up=next_up, desk=desk)


def panel(
    experiment: Experiment,
    *,
    prefix: str = "",
    elsewhere: Collection[str] = (),
    above: Draw = _nothing,
    below: Draw = _nothing,
    next_up: bool = False,
    desk: Desk = store,
) -> None:
    """One experiment: open with its title where it is its lab's primary one, else a row to open.

    The fields named `elsewhere` have their controls in another place of the page, under `prefix`.
    `above` and `below` draw what the page adds around the figures of a completed result.
    """
    primary = experiments.registry().of_question(experiment.lab)[0].id == experiment.id
    prefix = prefix or experiment.id.replace("/", "_")
    controls.begin_in_the_own_language(experiment.params, prefix)
    around = _Panel(prefix, tuple(elsewhere), above, below, next_up and primary, desk)
    with st.container(key=f"lab-{experiment.name}"):
        if primary:
            st.subheader(t(experiment.title), anchor=False)
            _about(experiment)
        st.fragment(_body if primary else _row, key=f"{runs.state(experiment)}.panel")(experiment, around)


def adopt(job: Job) -> None:
    """Let a done run that was made elsewhere, such as for a prediction, be its panel's first one."""
    runs.adopt(job)


def _about(experiment: Experiment) -> None:
    st.markdown(t(f"{experiment.lab}.{experiment.name}.about"))


def _row(experiment: Experiment, panel: _Panel) -> None:
    """The title with the result in one line; below them, once it is open, the whole panel."""
    key = f"{runs.state(experiment)}.open"
    asked = any(name.startswith(f"{panel.prefix}_") for name in st.query_params)
    st.session_state.setdefault(key, asked and not panel.elsewhere)
    box = fold(_line(experiment, panel), key=key)
    if box.open:
        with box:
            _about(experiment)
            _body(experiment, panel)


def _line(experiment: Experiment, panel: _Panel) -> str:
    title = f"**{t(experiment.title)}**"
    try:
        params = experiment.params.from_dict(controls.values(experiment.params, panel.prefix))
    except ParamError:
        return title
    seen = best_finding(experiment, params, runs.current(experiment, params))
    said = lesson.line(experiment, seen, panel.desk) if seen is not None else ""
    return f"{title}\N{EN SPACE}:small[{said}]" if said else title


def _body(experiment: Experiment, panel: _Panel) -> None:
    params = _params(experiment, panel)
    if params is None:
        return
    job = runs.current(experiment, params)
    _boxes(experiment, params, job, panel)
    key = runs.state(experiment)
    running = job if job is not None and job.active else None
    # The boxes keep their keys: the browser draws all that is in one with a new key anew, and the page jumps.
    if not experiment.instant:
        with st.container(key=f"{key}.turn"):
            if running is not None:
                jobs.follow(running, partial(_running, experiment))
            else:
                _run_button(experiment, params, job, panel)
            if job is not None and job.error:
                jobs.failure(job)
    # While a run is under way the old output stays, dimmed, so that nothing below it moves.
    shown = job if running is None else runs.before(experiment)
    with st.container(key=f"{key}.output"):
        _show(experiment, best_finding(experiment, params, shown), shown, panel)
        pins.compared(experiment, shown)
    code(experiment, params)


def _params(experiment: Experiment, panel: _Panel) -> Params | None:
    """What the controls say; None, with one sentence, where they cannot be run together."""
    below = {name for spec in _fields_of_boxes(experiment) for name in (spec.name, spec.reveal)}
    specs = [spec for spec in experiment.params.specs() if spec.name not in {*panel.elsewhere, *below}]
    primary = [spec.name for spec in specs if spec.primary]
    columns = st.columns(max(len(primary), 1), vertical_alignment="bottom")  # a label may take two lines
    for field, column in zip(primary, columns, strict=False):
        with column:
            controls.control(experiment.params, field, panel.prefix)
    if rest := [spec.name for spec in specs if not spec.primary]:
        with st.expander(t("bench.more_of", title=t(experiment.title))):
            for field in rest:
                controls.control(experiment.params, field, panel.prefix)
    try:
        return experiment.params.from_dict(controls.values(experiment.params, panel.prefix))
    except ParamError as error:
        st.error(errors.said(error))
        return None


def _fields_of_boxes(experiment: Experiment) -> list[Shapes]:
    return [spec for spec in experiment.params.specs() if isinstance(spec, Shapes)]


def _boxes(experiment: Experiment, params: Params, job: Job | None, panel: _Panel) -> None:
    """Blank boxes below all that decides what can be chosen for them, and the switch that reveals them."""
    for spec in _fields_of_boxes(experiment):
        found = best_finding(experiment, params, job)
        fits = found is not None and found.params.measured() == params.measured()
        view = experiment.complete(found.params, found.result)["view"] if found and fits else {}
        reasons = {box: t(f"{experiment.lab}.{key}") for box, key in view.get("reasons", {}).items()}
        judged = Judged(view.get("answers", {}), reasons)
        controls.control(experiment.params, spec.name, panel.prefix, judged=judged)
        controls.control(experiment.params, spec.reveal, panel.prefix)


def _run_button(experiment: Experiment, params: Params, job: Job | None, panel: _Panel) -> None:
    seconds = experiment.seconds(params, device_class(server.worker().status().device))
    if not math.isfinite(seconds):
        st.caption(t("bench.not_here"))
        return
    again = job is not None and job.result is not None and runs.fits(job, params)
    facts = {"title": t(experiment.title), "seconds": jobs.rounded(seconds)}
    st.button(
        t("bench.again" if again else "bench.run", **facts),
        key=f"{runs.state(experiment)}.run",
        type="primary" if panel.next_up and not again else "secondary",
        on_click=_run,
        args=(experiment, panel),
        kwargs={"fresh": again},
    )


def _run(experiment: Experiment, panel: _Panel, *, fresh: bool) -> None:
    """Run with what the controls say now: a slider may have moved since the button was drawn."""
    runs.start(experiment, controls.values(experiment.params, panel.prefix), fresh=fresh)


def _running(experiment: Experiment, job: Job) -> None:
    """How far it is, and the figures of what it has so far where the lab can draw them."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"progress-{job.id}"):
        jobs.progress(job)
        jobs.stop_button(job)
    assert job.params is not None
    so_far = experiment.so_far(job.params, job.partials) if job.partials else None
    if so_far is not None:
        drawn = findings.shown(experiment, experiment.complete(job.params, so_far)).figures
        findings.figures(experiment, drawn, "measured", named=len(drawn) > 1, key=".live")


def _show(experiment: Experiment, finding: Finding | None, job: Job | None, panel: _Panel) -> None:
    if finding is None:
        return
    if finding.where:
        st.caption(finding.where)
    result = experiment.complete(finding.params, finding.result)
    panel.above(result)
    findings.draw(experiment, finding, result, desk=panel.desk)
    machine.lines(experiment, finding.params)
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

    folded(t("bench.code", title=t(experiment.title)), draw, key=f"{runs.state(experiment)}.code")
