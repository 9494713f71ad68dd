"""Runs of Question 3's experiments in this process, and what they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from labs.contract import Shown
from labs.contract.registry import Registry, words_of
from labs.q03_vocabulary import shipped
from labs.runner.inline import InlineClient

REGISTRY = Registry.discover()
Run = Callable[..., dict[str, Any]]
Show = Callable[..., Shown]


@pytest.fixture(scope="session", autouse=True)
def tokenizers_read_once() -> Iterator[None]:
    """The largest take seconds to read, and no test changes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "load_tokenizer", cache(shipped.load_tokenizer))
        yield


@pytest.fixture(scope="session")
def client() -> InlineClient:
    return InlineClient.start("cpu", registry=REGISTRY)


@pytest.fixture(scope="session")
def run(client: InlineClient) -> Run:
    """The completed result of an experiment with these settings."""

    def measured(name: str, **settings: Any) -> dict[str, Any]:
        job = client.submit(f"q03/{name}", settings)
        assert job.state == "done" and job.params is not None and job.result is not None, job.error
        return dict(REGISTRY.find(f"q03/{name}").complete(job.params, job.result))

    return measured


@pytest.fixture(scope="session")
def show() -> Show:
    """What a reader sees of a completed result, in English."""
    words = words_of("q03", REGISTRY.strings("en"))
    return lambda name, result: REGISTRY.find(f"q03/{name}").show(result, words)
