"""Question 2's experiments on a small model: a client that runs them, each setting once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labs.contract.registry import Registry
from labs.q02_empty_text import guards, quiet
from labs.runner.inline import InlineClient
from labs.runner.job import Job

REGISTRY = Registry.discover()
SMALL = "random:byte-128"
Run = Callable[..., Job]
"""Runs q02/<name> with settings and gives the job that is done."""


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (guards, quiet):
            patch.setattr(module, "SMALL_MODEL", SMALL)
        client, jobs = InlineClient.start("cpu", model=SMALL, registry=REGISTRY), {}

        def run_once(name: str, **settings: Any) -> Job:
            key = (name, *sorted(settings.items()))
            job = jobs[key] = jobs.get(key) or client.submit(f"q02/{name}", settings)
            assert job.state == "done", job.error
            return job

        yield run_once


@pytest.fixture(scope="session")
def result(run: Run) -> Callable[..., dict[str, Any]]:
    """The result of a run of q02/<name> with settings."""

    def measured(name: str, **settings: Any) -> dict[str, Any]:
        job = run(name, **settings)
        assert job.result is not None
        return job.result

    return measured
