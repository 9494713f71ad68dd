"""The experiments of one lab in the test's own thread: what its tests run, are refused and see."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import pytest

from labs.contract import DEFAULT_MODEL, Shown, Words, jsonable
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.runner.job import Job

REGISTRY = Registry.discover()
Run = Callable[..., Any]
"""Runs an experiment of the lab with settings, and gives its job or its completed result."""
Replaced = tuple[ModuleType, str, object]
Show = Callable[[str, Any], Shown]


@cache
def strings(language: str) -> dict[str, str]:
    """The words of all labs. A registry reads their files whenever it is asked, which takes 35 ms."""
    return REGISTRY.strings(language)


def completed(job: Job, view: dict[str, Any] | None = None) -> dict[str, Any]:
    """The result as it arrives from a worker, looked at as `view` says."""
    assert job.params is not None and job.result is not None, job.error
    params = type(job.params).from_dict(job.params.to_dict() | (view or {}))
    return REGISTRY.find(job.experiment_id).complete(params, jsonable.loads(jsonable.dumps(job.result)))


def shown(experiment_id: str, result: Any) -> Shown:
    """What an English reader sees of a completed result."""
    experiment = REGISTRY.find(experiment_id)
    return experiment.show(result, words_of(experiment.lab, strings("en")))


class OneLab:
    """The lab called `key`, such as "q06", on a CPU and on `model`; with `once` equal runs are made once.

    `smaller` is what stands in a module's place of a larger thing, as (module, name, value): while one of its
    runs is made or shown, and no longer, since other tests see the same modules.
    """

    def __init__(
        self, key: str, model: str = DEFAULT_MODEL, *, once: bool = False, smaller: Sequence[Replaced] = ()
    ) -> None:
        self.once, self._smaller = once, smaller
        self.key, self.client = key, InlineClient.start("cpu", model=model, registry=REGISTRY)
        self.text: Words = words_of(key, strings("en"))
        self._jobs: dict[Any, Job] = {}

    def run(self, name: str, **settings: Any) -> Job:
        """The ended job of an experiment with these settings."""
        key = (name, *sorted((field, repr(value)) for field, value in settings.items()))
        if not self.once or key not in self._jobs:
            with self._small():
                self._jobs[key] = self.client.submit(f"{self.key}/{name}", settings)
        return self._jobs[key]

    def done(self, name: str, **settings: Any) -> Job:
        """The same; fails with what the run says where it failed."""
        job = self.run(name, **settings)
        assert job.state == "done", job.error
        return job

    def result(self, name: str, view: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
        """The completed result, looked at as `view` says."""
        job = self.done(name, **settings)
        with self._small():
            return completed(job, view)

    def refused(self, name: str, **settings: Any) -> str:
        """The sentence with which an experiment refuses its settings or its text."""
        job = self.run(name, **settings)
        assert job.state == "failed" and job.error is not None
        return str(job.error)

    def show(self, name: str, result: Any) -> Shown:
        """What an English reader sees of a completed result."""
        with self._small():
            return shown(f"{self.key}/{name}", result)

    @contextlib.contextmanager
    def _small(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module, attribute, value in self._smaller:
                patch.setattr(module, attribute, value)
            yield


# What most labs' tests call these by; a lab's conftest.py imports those that its own tests use.


@pytest.fixture(scope="session")
def client(lab: OneLab) -> InlineClient:
    """Where the lab's experiments run."""
    return lab.client


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    """Runs an experiment and gives its completed result."""
    return lab.result


@pytest.fixture(scope="session")
def result(lab: OneLab) -> Run:
    """The same, where `run` gives the job."""
    return lab.result


@pytest.fixture(scope="session")
def show(lab: OneLab) -> Show:
    """Shows a completed result."""
    return lab.show


@pytest.fixture(scope="session")
def refused(lab: OneLab) -> Callable[..., str]:
    """The sentence with which an experiment refuses."""
    return lab.refused


@pytest.fixture(scope="session")
def text(lab: OneLab) -> Words:
    """The lab's catalogue."""
    return lab.text
