"""Question 1's experiments on a small untrained model, in the test's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract import Words, jsonable
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.runner.job import Job

REGISTRY = Registry.discover()
Run = Callable[..., Any]


@pytest.fixture(scope="session")
def client() -> InlineClient:
    return InlineClient.start("cpu", model="random:byte-128", registry=REGISTRY)


@pytest.fixture(scope="session")
def run(client: InlineClient) -> Run:
    """The completed result of an experiment of the question, as it arrives from a worker."""

    def done(name: str, **params: Any) -> Any:
        job = client.submit(f"q01/{name}", params)
        assert job.state == "done", job.error
        return completed(job)

    return done


@pytest.fixture(scope="session")
def refused(client: InlineClient) -> Callable[..., str]:
    """What an experiment says when it refuses its settings or its text."""

    def says(name: str, **params: Any) -> str:
        job = client.submit(f"q01/{name}", params)
        assert job.state == "failed" and job.error is not None
        return job.error

    return says


@pytest.fixture(scope="session")
def text() -> Words:
    return words_of("q01", REGISTRY.strings("en"))


def completed(job: Job) -> Any:
    """The result with its view, as it arrives from a worker."""
    assert job.params is not None and job.result is not None
    result = jsonable.loads(jsonable.dumps(job.result))
    return REGISTRY.find(job.experiment_id).complete(job.params, result)
