"""What became of a claim: its check's answer, or a number of a run, compared with what is expected. No torch.

A claim agrees (True), disagrees (False), or cannot be decided here (None, with the reason). Runs nothing
itself but the check that it is given; `verify.py` and the pages bring the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labs.claims.checks import CannotCheck, Finding, value_at
from labs.claims.recordings import FOLDER, recorded
from labs.contract import Experiment
from labs.runner.job import Job
from labs.tools.budgets import device_class
from minimind_core.errors import Sentence
from questions import Claim
from questions.values import agree, plain

DOES_NOT_HOLD = "It does not hold here."
NO_CHECK = Sentence("Its check is still to be written.", "verdict.no_check")
NO_RECORD = Sentence("There is no recorded run for such a device.", "verdict.no_record")
NO_VALUE = Sentence("There is no recorded value to compare with.", "verdict.no_value")


@dataclass(frozen=True)
class Verdict:
    """What became of one claim; the entry of the JSON answer.

    `key` and `values` are those of the reason, for other languages (`Sentence`).
    """

    id: str
    kind: str
    agrees: bool | None
    measured: Any
    expected: Any
    tolerance: dict[str, float] | None
    reason: str
    key: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> Sentence:
        """The reason as a page says it."""
        return Sentence(self.reason, self.key, self.values)


def undecided(claim: Claim, reason: str, measured: Any = None, expected: Any = None) -> Verdict:
    """Nothing speaks for or against the claim here."""
    return _verdict(claim, None, measured, expected, reason)


def by_check(claim: Claim, check: Callable[[], Any]) -> Verdict:
    """Run the claim's check here and compare its answer."""
    expected = None if claim.value is None else plain(claim.value)
    try:
        answer = check()
    except CannotCheck as reason:
        return undecided(claim, reason.sentence, expected=expected)
    except Exception as error:  # a check that breaks bears nothing out
        return _verdict(claim, False, None, expected, f"{type(error).__name__}: {error}")
    finding = answer if isinstance(answer, Finding) else None
    measured = _json(finding.measured if finding else answer)
    holds = finding is None or finding.holds
    if claim.value is not None:
        holds = holds and agree(claim.value, measured, claim.tolerance)
    elif finding is None:
        return undecided(claim, NO_VALUE, measured)
    return _verdict(claim, holds, measured, expected, "" if holds else DOES_NOT_HOLD)


def by_run(claim: Claim, experiment: Experiment, job: Job, recordings: Path = FOLDER) -> Verdict:
    """Compare a number of a done run at the default settings with that of the recorded run."""
    measured = read_claim(claim, experiment, job.result)
    if measured is None:
        return _verdict(claim, False, None, None, f"{experiment.id} gives no {claim.measures}.")
    records = [
        record
        for record in recorded(experiment.id, recordings)
        if device_class(record["device"]) == device_class(job.device)
    ]
    if not records:
        return undecided(claim, NO_RECORD, measured)
    record = next((one for one in records if one["device_name"] == job.device_name), records[0])
    expected = read_claim(claim, experiment, record["result"])
    if expected is not None and agree(_stated(expected), measured, claim.tolerance):
        return _verdict(claim, True, measured, expected, "")
    here = record["device_name"] == job.device_name
    reason = Sentence(
        f"Recorded on {record['device_name']}; this is {job.device_name}.",
        "verdict.other_device",
        {"recorded": record["device_name"], "here": job.device_name},
    )
    return _verdict(claim, False if here else None, measured, expected, reason)


def read_claim(claim: Claim, experiment: Experiment, result: Any) -> Any:
    """What the claim reads from a result at the default parameters; None where it has no such path."""
    try:
        return _json(value_at(experiment.complete(experiment.params(), result), claim.measures or ""))
    except LookupError:
        return None


def _verdict(claim: Claim, agrees: bool | None, measured: Any, expected: Any, reason: str) -> Verdict:
    tolerance = {str(claim.tolerance.kind): claim.tolerance.amount} if claim.tolerance else None
    return Verdict(
        claim.id,
        claim.kind,
        agrees,
        measured,
        expected,
        tolerance,
        str(reason),
        getattr(reason, "key", ""),
        getattr(reason, "values", {}),
    )


def _stated(value: Any) -> Any:
    """A recorded value in the form of a claim's."""
    return tuple(_stated(item) for item in value) if isinstance(value, list) else value


def _json(value: Any) -> Any:
    """Arrays and their numbers as plain data."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _json(item) for name, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list | tuple) else value
