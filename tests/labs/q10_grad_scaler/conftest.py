"""Question 10's experiments on a small model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.q10_grad_scaler import memory, speed
from labs.tools.budgets import PerDevice
from minimind_core.model.config import PRESETS
from tests.labs.one_lab import OneLab, Run


@pytest.fixture(scope="session")
def lab() -> Iterator[OneLab]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (memory, speed):
            patch.setattr(module, "SHAPE", PRESETS["byte-128"])
        patch.setattr(speed, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        yield OneLab("q10", "random:byte-128", once=True)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done


@pytest.fixture(scope="session")
def result(lab: OneLab) -> Run:
    return lab.result
