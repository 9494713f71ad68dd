"""Question 11's experiments, the real model where a run is short and a small one elsewhere."""

from __future__ import annotations

import pytest

from labs.q11_nan import cost, rates
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import OneLab
from tests.labs.one_lab import result as result

SOME_RATES = (1e-3, 0.1, 1e4)
"""What the sweep tries here."""


@pytest.fixture(scope="session")
def lab() -> OneLab:
    smaller = (
        (cost, "SECONDS", PerDevice(cpu=0.1, cuda=0.1)),
        (rates, "RATES", SOME_RATES),
        (rates, "LENGTH", 8),
    )
    return OneLab("q11", "nano-rope", once=True, smaller=smaller)
