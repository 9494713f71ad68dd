"""Question 10's experiments on a small model."""

from __future__ import annotations

import pytest

from labs.q10_grad_scaler import memory, speed
from labs.tools.budgets import PerDevice
from minimind_core.model.config import PRESETS
from tests.labs.one_lab import OneLab, Run
from tests.labs.one_lab import result as result


@pytest.fixture(scope="session")
def lab() -> OneLab:
    smaller = (
        (memory, "SHAPE", PRESETS["byte-128"]),
        (speed, "SHAPE", PRESETS["byte-128"]),
        (speed, "SECONDS", PerDevice(cpu=0.1, cuda=0.1)),
    )
    return OneLab("q10", "random:byte-128", once=True, smaller=smaller)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done
