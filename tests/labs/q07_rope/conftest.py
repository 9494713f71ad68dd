"""Question 7's experiments on the CPU, each run once with little to read, and what a reader sees of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract import Shown
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.runner.job import Job

REGISTRY = Registry.discover()
LITTLE: dict[str, dict[str, Any]] = {
    "invariance": {},
    "spectrum": {},
    "shift": {"tokens": 64},
    "lengths": {"documents": 1},
}


@pytest.fixture(scope="session")
def client() -> InlineClient:
    return InlineClient.start("cpu", registry=REGISTRY)


@pytest.fixture(scope="session")
def job_of(client: InlineClient) -> Callable[[str], Job]:
    """The finished run of an experiment by name, made when it is first asked for."""
    jobs: dict[str, Job] = {}

    def finished(name: str) -> Job:
        if name not in jobs:
            jobs[name] = client.submit(f"q07/{name}", LITTLE[name])
        assert jobs[name].state == "done", jobs[name].error
        return jobs[name]

    return finished


@pytest.fixture(scope="session")
def result_of(job_of: Callable[[str], Job]) -> Callable[[str], dict[str, Any]]:
    """Its completed result."""

    def completed(name: str) -> dict[str, Any]:
        job = job_of(name)
        assert job.params is not None and job.result is not None
        result: dict[str, Any] = REGISTRY.find(f"q07/{name}").complete(job.params, job.result)
        return result

    return completed


@pytest.fixture(scope="session")
def show() -> Callable[[str, Any], Shown]:
    """What a reader of English sees of a completed result."""
    words = words_of("q07", REGISTRY.strings("en"))
    return lambda name, result: REGISTRY.find(f"q07/{name}").show(result, words)
