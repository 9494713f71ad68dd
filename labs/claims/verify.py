"""`python -m labs verify`: every claim of the written questions, recomputed or measured, and compared.

What a claim may come to is in `verdicts.py`; None never fails. Checks (`checks.py`) are quick. A
`measured` claim that names a path in an experiment's result is read from one run at the defaults and
compared with the recorded run of this device class; without `full`, experiments that would not end in
time are left out. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labs.claims.checks import checks_of
from labs.claims.recordings import FOLDER
from labs.claims.verdicts import NO_CHECK, Verdict, by_check, by_run, undecided
from labs.contract.registry import Registry
from labs.runner.inline import InlineClient
from labs.runner.job import Job
from labs.tools.budgets import device_class
from minimind_core.errors import ConfigError
from questions import Claim, Question, load_questions

BUDGET_SECONDS = 120.0
"""For all experiments together, by their own estimates, unless `full`."""


class Verifier:
    """Checks claims one by one. `start` makes the client when the first experiment has to run."""

    def __init__(
        self,
        registry: Registry,
        start: Callable[[], InlineClient],
        *,
        full: bool = False,
        recordings: Path = FOLDER,
    ) -> None:
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
                    yield undecided(claim, f"Cited, not run: {claim.source['en']}.")
                elif claim.check is None:
                    yield self._from_run(claim)
                elif claim.check in checks:
                    yield by_check(claim, checks[claim.check])
                else:
                    yield undecided(claim, NO_CHECK)

    def _from_run(self, claim: Claim) -> Verdict:
        """Compare one number of a run here with the recorded one."""
        assert claim.experiment is not None
        job = self._run(claim.experiment)
        if isinstance(job, str):
            return undecided(claim, job)
        return by_run(claim, self._registry.find(claim.experiment), job, self._recordings)

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
