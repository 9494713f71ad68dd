"""Runs that were pinned, side by side: how their settings differ, what they measured, their main figures.

Pins live as long as the session. Only runs that were measured here can be pinned.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas
import streamlit as st

from labs.contract import Experiment, Field, Shown
from labs.contract.fields import Choice
from labs.runner.job import Job
from pages.ui.lab import controls, findings
from pages.ui.words.i18n import t
from pages.ui.words.machine_name import machine_name
from pages.ui.words.markdown import literal

MOST = 4
_HEIGHT = 280


def button(experiment: Experiment, job: Job) -> None:
    """Pins the run; says that it is pinned, or that there is no room."""
    pinned = _pinned(experiment)
    held, full = job in pinned, len(pinned) >= MOST
    label = t("pins.pinned") if held else t("pins.full", most=MOST) if full else t("pins.pin")
    st.button(
        label,
        key=f"{experiment.id}.pin",
        disabled=held or full,
        icon=":material/keep:",
        on_click=_pin,
        args=(experiment, job),
    )


def compared(experiment: Experiment, job: Job | None) -> None:
    """The pinned runs, and the one in view in the table beside them."""
    pinned = _pinned(experiment)
    if not pinned:
        return
    st.markdown(f"**{t('pins.title')}**")
    runs: dict[str, Job] = {t("pins.run", number=number): one for number, one in enumerate(pinned, 1)}
    beside: dict[str, Job] = (
        {} if job is None or job.result is None or job in pinned else {t("pins.now"): job}
    )
    st.table(_table(experiment, {**beside, **runs}), border="horizontal")
    for start in range(0, len(pinned), 2):
        for number, column in zip(range(start, min(start + 2, len(pinned))), st.columns(2), strict=False):
            with column:
                _one(experiment, number, pinned[number])


def _pinned(experiment: Experiment) -> list[Job]:
    held: list[Job] = st.session_state.setdefault(f"{experiment.id}.pins", [])
    return held


def _pin(experiment: Experiment, job: Job) -> None:
    if job not in _pinned(experiment) and len(_pinned(experiment)) < MOST:
        _pinned(experiment).append(job)


def _unpin(experiment: Experiment, job: Job) -> None:
    if job in _pinned(experiment):
        _pinned(experiment).remove(job)


def _one(experiment: Experiment, number: int, job: Job) -> None:
    """One pinned run: its number, its main figure, and the button that lets it go."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(t("pins.run", number=number + 1))
        st.button(
            t("pins.unpin", number=number + 1),
            key=f"{experiment.id}.unpin.{job.id}",
            type="tertiary",
            on_click=_unpin,
            args=(experiment, job),
        )
    figures = _shown(experiment, job).figures
    main = next(iter(figures))
    findings.figures(
        experiment, {main: figures[main]}, "measured", named=False, key=f".pin.{job.id}", height=_HEIGHT
    )


def _table(experiment: Experiment, runs: dict[str, Job]) -> pandas.DataFrame:
    """Rows are the settings that differ, the device and the main numbers; columns are the runs."""
    rows = {
        controls.label_of(spec): [_setting(job, spec) for job in runs.values()]
        for spec in _differing(experiment, list(runs.values()))
    }
    rows[t("pins.device")] = [literal(machine_name(job.device_name)) for job in runs.values()]
    numbers = [_shown(experiment, job).numbers for job in runs.values()]
    for label in dict.fromkeys(label for each in numbers for label in each):
        rows[label] = [findings.cell(each[label]) if label in each else "–" for each in numbers]
    rows[t("pins.seconds")] = [findings.cell(job.seconds) for job in runs.values()]
    return pandas.DataFrame.from_dict(rows, orient="index", columns=list(runs))


def _differing(experiment: Experiment, runs: Sequence[Job]) -> list[Field]:
    """The settings that are not the same in all runs; of a run alone, those that are not the default."""
    ways = [job.params.measured() for job in runs if job.params is not None]
    against = ways if len(ways) > 1 else [*ways, experiment.params().measured()]
    return [
        spec
        for spec in experiment.params.specs()
        if spec.name in against[0] and any(way[spec.name] != against[0][spec.name] for way in against)
    ]


def _setting(job: Job, spec: Field) -> str:
    value = getattr(job.params, spec.name)
    return controls.word_of(spec, value) if isinstance(spec, Choice) else findings.cell(value)


def _shown(experiment: Experiment, job: Job) -> Shown:
    assert job.params is not None and job.result is not None
    return findings.shown(experiment, experiment.complete(job.params, job.result))
