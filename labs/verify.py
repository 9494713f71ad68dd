"""`python -m labs verify`: every claim of the written questions, recomputed or measured, and compared.

A claim agrees (True), disagrees (False), or cannot be decided here (None, with the reason); None never
fails. Checks (`checks.py`) are quick. A `measured` claim that names a path in an experiment's result is
read from one run at the defaults and compared with the recorded run of this device class; without
`full`, experiments that would not end in time are left out. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labs.checks import CannotCheck, Finding, checks_of, value_at
from labs.recordings import FOLDER, recorded
from labs.registry import Registry
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.runner.request import device_class
from minimind_core.errors import ConfigError
from questions import Claim, Question, load_questions
from questions.values import agree, plain

BUDGET_SECONDS = 120.0
"""For all experiments together, by their own estimates, unless `full`."""


@dataclass(frozen=True)
class Verdict:
    """What became of one claim; the entry of the JSON answer."""

    id: str
    kind: str
    agrees: bool | None
    measured: Any
    expected: Any
    tolerance: dict[str, float] | None
    reason: str


class Verifier:
    """Checks claims one by one. `start` makes the client when the first experiment has to run."""

    def __init__(self, registry: Registry, start: Callable[[], InlineClient], *, full: bool = False,
                 recordings: Path = FOLDER) -> None:
        self._registry, self._start = registry, start
        self._recordings = recordings
        self._client: InlineClient | None = None
        self._left = float("inf") if full else BUDGET_SECONDS
        self._jobs: dict[str, Job | str] = {}

    def verdicts(self, questions: Sequence[Question]) -> Iterator[Verdict]:
        """One for every claim, in order."""
        for question in questions:
            checks = checks_of(question.slug)
            for claim in question.claims:
                if claim.kind == "literature" and claim.check is None:
                    yield _verdict(claim, None, reason=f"Cited, not run: {claim.source}.")
                elif claim.check is None:
                    yield self._from_run(claim)
                elif claim.check in checks:
                    yield _by_check(claim, checks[claim.check])
                else:
                    yield _verdict(claim, None, reason="Its check is still to be written.")

    def _from_run(self, claim: Claim) -> Verdict:
        """Compare one number of a run here with the recorded one."""
        assert claim.experiment is not None and claim.measures is not None
        job = self._run(claim.experiment)
        if isinstance(job, str):
            return _verdict(claim, None, reason=job)
        measured = self._value(claim, job.result)
        if measured is None:
            return _verdict(claim, False, reason=f"{claim.experiment} gives no {claim.measures}.")
        records = [record for record in recorded(claim.experiment, self._recordings)
                   if device_class(record["device"]) == device_class(job.device)]
        if not records:
            return _verdict(claim, None, measured, reason="There is no recorded run for such a device.")
        record = next((one for one in records if one["device_name"] == job.device_name), records[0])
        expected = self._value(claim, record["result"])
        if expected is not None and agree(_stated(expected), measured, claim.tolerance):
            return _verdict(claim, True, measured, expected)
        here = record["device_name"] == job.device_name
        reason = f"Recorded on {record['device_name']}; this is {job.device_name}."
        return _verdict(claim, False if here else None, measured, expected, reason)

    def _value(self, claim: Claim, result: Any) -> Any:
        """What the claim reads from a result at the default parameters; None where it has no such path."""
        experiment = self._registry.find(claim.experiment or "")
        try:
            return _json(value_at(experiment.complete(experiment.params(), result), claim.measures or ""))
        except LookupError:
            return None

    def _run(self, experiment_id: str) -> Job | str:
        """The run of an experiment at its defaults, kept; or why there is none."""
        if experiment_id not in self._jobs:
            self._jobs[experiment_id] = self._measure(experiment_id)
        return self._jobs[experiment_id]

    def _measure(self, experiment_id: str) -> Job | str:
        try:
            experiment = self._registry.find(experiment_id)
        except ConfigError:
            return f"The experiment {experiment_id} is still to come."
        if self._client is None:
            self._client = self._start()
        estimate = experiment.seconds(experiment.params(), device_class(self._client.status().device))
        if estimate > self._left:
            return f"{experiment_id} takes about {estimate:.0f} s; --full runs it."
        self._left -= estimate
        job = self._client.submit(experiment_id)
        return job if job.state == "done" else f"{experiment_id} could not run: {job.error}"


def chosen(names: Sequence[str]) -> tuple[Question, ...]:
    """The written questions called q06, Q6 or q06_gqa; all of them for no name. Raises ConfigError."""
    questions = {question.id: question for question in load_questions()}
    wanted = [_find(questions, name) for name in names] or list(questions.values())
    return tuple(question for question in wanted if question.written or names)


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The answer of `verify --json`."""
    return {"claims": [asdict(verdict) for verdict in verdicts]}


def _find(questions: dict[str, Question], name: str) -> Question:
    number = name.lower().removeprefix("q").partition("_")[0].lstrip("0")
    question = questions.get(f"Q{number}")
    if question is None:
        raise ConfigError(f"There is no question {name!r}; they are q01 to q{len(questions):02d}.")
    if not question.written:
        raise ConfigError(f"{question.id} is still to be written and has no claims.")
    return question


def _by_check(claim: Claim, check: Callable[[], Any]) -> Verdict:
    expected = None if claim.value is None else plain(claim.value)
    try:
        answer = check()
    except CannotCheck as reason:
        return _verdict(claim, None, expected=expected, reason=str(reason))
    except Exception as error:  # a check that breaks bears nothing out
        return _verdict(claim, False, expected=expected, reason=f"{type(error).__name__}: {error}")
    finding = answer if isinstance(answer, Finding) else None
    measured = _json(finding.measured if finding else answer)
    holds = finding is None or finding.holds
    if claim.value is not None:
        holds = holds and agree(claim.value, measured, claim.tolerance)
    elif finding is None:
        return _verdict(claim, None, measured, reason="There is no recorded value to compare with.")
    return _verdict(claim, holds, measured, expected, "" if holds else "It does not hold here.")


def _verdict(claim: Claim, agrees: bool | None, measured: Any = None, expected: Any = None,
             reason: str = "") -> Verdict:
    tolerance = {str(claim.tolerance.kind): claim.tolerance.amount} if claim.tolerance else None
    return Verdict(claim.id, claim.kind, agrees, measured, expected, tolerance, reason)


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
