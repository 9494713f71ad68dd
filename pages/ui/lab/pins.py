"""Runs that were pinned, side by side: how their settings differ, what they measured, their main figures.

Pins live as long as the session. Only runs that were measured here can be pinned.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas
import streamlit as st

from labs.contract.experiment import Experiment, Result
from labs.contract.fields import FieldSpec
from labs.runner.job import Job
from pages.ui.lab import controls, findings
from pages.ui.words.i18n import t

MOST = 4
_HEIGHT = 280


def button(this: Experiment, job: Job) -> None:
    """Pins the run; says that it is pinned, or that there is no room."""
    pinned = _pinned(this)
    held, full = job in pinned, len(pinned) >= MOST
    label = t("pins.pinned") if held else t("pins.full", most=MOST) if full else t("pins.pin")
    st.button(
        label,
        key=f"{this.id}.pin",
        disabled=held or full,
        icon=":material/keep:",
        on_click=_pin,
        args=(this, job),
    )


def compared(this: Experiment, job: Job | None) -> None:
    """The pinned runs, and the one in view in the table beside them."""
    pinned = _pinned(this)
    if not pinned:
        return
    st.markdown(f"**{t('pins.title')}**")
    runs = {t("pins.run", number=number): one for number, one in enumerate(pinned, 1)}
    beside = {} if job is None or job.result is None or job in pinned else {t("pins.now"): job}
    st.table(_table(this, {**beside, **runs}), border="horizontal")
    for start in range(0, len(pinned), 2):
        for number, column in zip(range(start, min(start + 2, len(pinned))), st.columns(2), strict=False):
            with column:
                _one(this, number, pinned[number])


def _pinned(this: Experiment) -> list[Job]:
    held: list[Job] = st.session_state.setdefault(f"{this.id}.pins", [])
    return held


def _pin(this: Experiment, job: Job) -> None:
    if job not in _pinned(this) and len(_pinned(this)) < MOST:
        _pinned(this).append(job)


def _unpin(this: Experiment, job: Job) -> None:
    if job in _pinned(this):
        _pinned(this).remove(job)


def _one(this: Experiment, number: int, job: Job) -> None:
    """One pinned run: its number, its main figure, and the button that lets it go."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(t("pins.run", number=number + 1))
        st.button(
            t("pins.unpin", number=number + 1),
            key=f"{this.id}.unpin.{job.id}",
            type="tertiary",
            on_click=_unpin,
            args=(this, job),
        )
    figures = this.figures(_completed(this, job), t)
    main = next(iter(figures))
    findings.figures(
        this, {main: figures[main]}, "measured", named=False, key=f".pin.{job.id}", height=_HEIGHT
    )


def _table(this: Experiment, runs: dict[str, Job]) -> pandas.DataFrame:
    """Rows are the settings that differ, the device and the main numbers; columns are the runs."""
    rows = {
        controls.label_of(spec): [_setting(job, spec) for job in runs.values()]
        for spec in _differing(this, list(runs.values()))
    }
    rows[t("pins.device")] = [job.device_name for job in runs.values()]
    numbers = [this.numbers(_completed(this, job), t) for job in runs.values()]
    for label in dict.fromkeys(label for each in numbers for label in each):
        rows[label] = [findings.shown(each[label]) if label in each else "–" for each in numbers]
    rows[t("pins.seconds")] = [findings.shown(job.seconds) for job in runs.values()]
    return pandas.DataFrame.from_dict(rows, orient="index", columns=list(runs))


def _differing(this: Experiment, runs: Sequence[Job]) -> list[FieldSpec]:
    """The settings that are not the same in all runs; of a run alone, those that are not the default."""
    ways = [job.params.measured() for job in runs if job.params is not None]
    against = ways if len(ways) > 1 else [*ways, this.params().measured()]
    return [
        spec
        for spec in this.params.specs()
        if spec.name in against[0] and any(way[spec.name] != against[0][spec.name] for way in against)
    ]


def _setting(job: Job, spec: FieldSpec) -> str:
    value = getattr(job.params, spec.name)
    return controls.word_of(spec, value) if spec.kind == "choice" else findings.shown(value)


def _completed(this: Experiment, job: Job) -> Result:
    assert job.params is not None and job.result is not None
    return this.complete(job.params, job.result)
