"""Question 5's experiments, on a small model where the 26M is not asked for."""

from __future__ import annotations

import pytest

from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab
from tests.labs.one_lab import client as client
from tests.labs.one_lab import refused as refused
from tests.labs.one_lab import run as run
from tests.labs.one_lab import text as text

MODEL = "random:byte-128"


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q05", MODEL)


@pytest.fixture
def tiny() -> MiniMind:
    """A shape in which no two widths are alike, so that none can stand for another."""
    widths = {"vocab_size": 90, "hidden_size": 48, "head_dim": 10, "intermediate_size": 70}
    shape = TINY.replace(num_layers=3, num_heads=6, max_length=16, **widths)
    return untrained(shape, "cpu").eval()
