"""A result on its page: with which settings it was made, and where; and which result fits the settings best.

First a run with these settings, then the formula, or else a run with other ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labs.claims.recordings import recorded, variants
from labs.contract import Data, Experiment, ParamError, Params
from labs.runner.job import Job
from pages.ui.experiments import formula_at
from pages.ui.words.i18n import t
from pages.ui.words.machine_name import machine_name
from pages.ui.words.marks import unbroken

Kind = Literal["measured", "recorded", "formula"]


@dataclass(frozen=True)
class Finding:
    """A result that is not completed by `view` yet, with its settings. `where` says where it comes from."""

    params: Params
    result: Data
    kind: Kind
    where: str = ""


def best_finding(experiment: Experiment, params: Params, job: Job | None) -> Finding | None:
    """What can be shown for `params`; `job` is the run in view. None where there is nothing yet."""
    records = [] if experiment.instant else _records(experiment)
    runs = [_recorded(experiment, params, record) for record in records]
    measured = _measured(params, job)
    if measured is not None:
        runs.insert(0, measured)
    for found in runs:
        if found.params.measured() == params.measured():
            return found
    formula = formula_at(experiment, params) if experiment.drawn_by_formula else None
    if formula is None:
        return runs[0] if runs else None
    return Finding(params, formula, "formula", "" if experiment.instant else t("bench.formula"))


def _records(experiment: Experiment) -> list[dict[str, Any]]:
    """One recording at the defaults, of a GPU where there is one, and all at other settings."""
    return recorded(experiment.id)[:1] + variants(experiment.id)


def _measured(params: Params, job: Job | None) -> Finding | None:
    if job is None or job.result is None or job.params is None:
        return None
    device = _device(job.device_name, job.dtype, job.versions)
    where: str = (
        t("bench.kept", device=device, date=unbroken(job.measured_at[:10]))
        if job.cached
        else t("bench.measured", device=device)
    )
    if job.params.measured() != params.measured():
        where = t("bench.and", where=where, more=t("bench.changed"))
    return Finding(_viewed(job.params, params), job.result, "measured", where)


def _recorded(experiment: Experiment, params: Params, record: dict[str, Any]) -> Finding:
    device = _device(record["device_name"], record["dtype"], record["versions"])
    facts = {"device": device, "date": unbroken(record["date"][:10]), "runs": record["runs"]}
    where: str = t("bench.recorded", **facts) if record["runs"] > 1 else t("bench.recorded_once", **facts)
    run_with = experiment.params.from_dict(record["params"])
    if run_with.measured() != params.measured():
        where = t("bench.and", where=where, more=t("bench.defaults"))
    return Finding(_viewed(run_with, params), record["result"], "recorded", where)


def _device(name: str, dtype: str, versions: Mapping[str, str]) -> str:
    return t("bench.on", name=machine_name(name), dtype=dtype, torch=versions.get("torch", ""))


def _viewed(run_with: Params, now: Params) -> Params:
    """The settings of a run, looked at as the view fields say now."""
    view = {spec.name: getattr(now, spec.name) for spec in now.specs() if spec.view}
    try:
        return type(run_with).from_dict(run_with.to_dict() | view)
    except ParamError:  # they do not go together: look at it as it was run
        return run_with
