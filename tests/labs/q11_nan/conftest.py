"""Question 11's experiments, the real model where a run is short and a small one elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.q11_nan import cost, rates
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import OneLab, Run


@pytest.fixture(scope="session")
def lab() -> Iterator[OneLab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        patch.setattr(rates, "RATES", (1e-3, 0.1, 1e4))
        patch.setattr(rates, "LENGTH", 8)
        yield OneLab("q11", "nano-rope", once=True)


@pytest.fixture(scope="session")
def result(lab: OneLab) -> Run:
    return lab.result
