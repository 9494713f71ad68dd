"""Question 4's experiments on a small random model: a client that runs them, and the words of a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labs.contract import Shown
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.runner.job import Job

REGISTRY = Registry.discover()
MODEL = "random:nano-rope"

Run = Callable[..., Job]
"""Runs q04/<name> with settings; equal runs are made once."""


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    client, jobs = InlineClient.start("cpu", model=MODEL, registry=REGISTRY), {}

    def run_once(name: str, **settings: Any) -> Job:
        key = (name, *sorted(settings.items()))
        if key not in jobs:
            jobs[key] = client.submit(f"q04/{name}", settings)
        return jobs[key]

    yield run_once


@pytest.fixture(scope="session")
def result(run: Run) -> Callable[..., dict[str, Any]]:
    """The completed result of a run of q04/<name> with settings."""

    def completed(name: str, **settings: Any) -> dict[str, Any]:
        job = run(name, **settings)
        assert job.state == "done", job.error
        assert job.params is not None and job.result is not None
        return REGISTRY.find(job.experiment_id).complete(job.params, job.result)

    return completed


def shown(name: str, result: Any) -> Shown:
    """What an English reader sees of a completed result of q04/<name>."""
    return REGISTRY.find(f"q04/{name}").show(result, words_of("q04", REGISTRY.strings("en")))
