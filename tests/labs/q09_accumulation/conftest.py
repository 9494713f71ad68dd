"""Question 9's experiments on a small model: a client that runs them, and what came of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labs.contract import Shown
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.runner.job import Job

REGISTRY = Registry.discover()

Run = Callable[..., Job]
"""Runs q09/<name> with settings and gives the job that is done; equal runs are made once."""


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    client, jobs = InlineClient.start("cpu", model="nano-rope", registry=REGISTRY), {}

    def run_once(name: str, **settings: Any) -> Job:
        key = (name, *sorted(settings.items()))
        job = jobs[key] = jobs.get(key) or client.submit(f"q09/{name}", settings)
        assert job.state == "done", job.error
        return job

    yield run_once


@pytest.fixture(scope="session")
def result(run: Run) -> Callable[..., dict[str, Any]]:
    """The completed result of a run of q09/<name> with settings, looked at as `view` says."""

    def completed(name: str, view: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
        job = run(name, **settings)
        assert job.params is not None and job.result is not None
        params = type(job.params).from_dict(job.params.to_dict() | (view or {}))
        return REGISTRY.find(job.experiment_id).complete(params, job.result)

    return completed


def shown(name: str, result: dict[str, Any]) -> Shown:
    """What an English reader sees of a completed result of q09/<name>."""
    return REGISTRY.find(f"q09/{name}").show(result, words_of("q09", REGISTRY.strings("en")))
