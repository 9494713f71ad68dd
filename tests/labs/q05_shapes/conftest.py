"""Question 5's experiments in the test's own thread, on a small model where the 26M is not asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract import Words
from labs.contract.registry import Registry, words_of
from labs.runner.inline import InlineClient
from labs.tools.models import untrained
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind

MODEL = "random:byte-128"
REGISTRY = Registry.discover()
Run = Callable[..., Any]


@pytest.fixture(scope="session")
def client() -> InlineClient:
    return InlineClient.start("cpu", model=MODEL, registry=REGISTRY)


@pytest.fixture(scope="session")
def run(client: InlineClient) -> Run:
    """The completed result of an experiment with these settings; fails with what it says if it fails."""

    def measured(name: str, **settings: Any) -> Any:
        job = client.submit(f"q05/{name}", settings)
        assert job.result is not None and job.params is not None, job.error
        return REGISTRY.find(f"q05/{name}").complete(job.params, job.result)

    return measured


@pytest.fixture(scope="session")
def refused(client: InlineClient) -> Callable[..., str]:
    """The sentence with which settings are refused."""

    def sentence(name: str, **settings: Any) -> str:
        job = client.submit(f"q05/{name}", settings)
        assert job.state == "failed" and job.error is not None
        return str(job.error)

    return sentence


@pytest.fixture(scope="session")
def text() -> Words:
    return words_of("q05", REGISTRY.strings("en"))


@pytest.fixture
def tiny() -> MiniMind:
    """A shape in which no two widths are alike, so that none can stand for another."""
    shape = ModelConfig(
        vocab_size=90,
        hidden_size=48,
        num_layers=3,
        num_heads=6,
        num_kv_heads=2,
        head_dim=10,
        intermediate_size=70,
        max_length=16,
    )
    return untrained(shape, "cpu").eval()
