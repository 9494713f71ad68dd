"""Question 8's experiments, with little to do."""

from __future__ import annotations

import pytest

from labs.runner.inline import InlineClient
from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab, Run, Show


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q08", once=True)


@pytest.fixture(scope="session")
def client(lab: OneLab) -> InlineClient:
    return lab.client


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.result


@pytest.fixture(scope="session")
def show(lab: OneLab) -> Show:
    return lab.show


def lively(seed: int) -> MiniMind:
    """Fresh weights copy their input; larger ones write something else after every token."""
    model = untrained(TINY, "cpu", seed=seed).eval()
    for layer in model.model.layers:
        for parameter in layer.parameters():
            parameter.data *= 12 if parameter.dim() == 2 else 1
    return model
