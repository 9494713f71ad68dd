"""Question 13's experiments on a small untrained model, in the test's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract import Words, jsonable
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.runner.job import Job

MODEL = "random:byte-128"
REGISTRY = Registry.discover()
Run = Callable[..., Job]


@pytest.fixture(scope="session")
def client() -> InlineClient:
    return InlineClient.start("cpu", model=MODEL, registry=REGISTRY)


@pytest.fixture(scope="session")
def run(client: InlineClient) -> Run:
    """Runs an experiment of the question by its name; fails with what it says if it fails."""

    def done(name: str, **params: Any) -> Job:
        job = client.submit(f"q13/{name}", params)
        assert job.state == "done", job.error
        return job

    return done


@pytest.fixture(scope="session")
def text() -> Words:
    return words_of("q13", REGISTRY.strings("en"))


def completed(job: Job) -> Any:
    """The result with its view, as it arrives from a worker."""
    assert job.params is not None and job.result is not None
    result = jsonable.loads(jsonable.dumps(job.result))
    return REGISTRY.find(job.experiment_id).complete(job.params, result)
