"""Question 8's experiments, with little to do."""

from __future__ import annotations

import pytest

from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab
from tests.labs.one_lab import client as client
from tests.labs.one_lab import refused as refused
from tests.labs.one_lab import run as run
from tests.labs.one_lab import show as show


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q08", once=True)


def lively(seed: int) -> MiniMind:
    """Fresh weights copy their input; larger ones write something else after every token."""
    model = untrained(TINY, "cpu", seed=seed).eval()
    for layer in model.model.layers:
        for parameter in layer.parameters():
            parameter.data *= 12 if parameter.dim() == 2 else 1
    return model
