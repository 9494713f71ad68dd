"""Question 2's experiments on a small model, each setting once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.q02_empty_text import anomaly, guards, quiet
from labs.tools import interleaved
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import OneLab, Run

SMALL = "random:toy"


@pytest.fixture(scope="session")
def lab() -> Iterator[OneLab]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (anomaly, guards, quiet):
            patch.setattr(module, "SMALL_MODEL", SMALL)
        patch.setitem(interleaved.CHUNK_SECONDS, "cpu", 0.001)
        patch.setattr(anomaly, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        patch.setattr(quiet, "ROWS", 8)
        yield OneLab("q02", SMALL, once=True)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done


@pytest.fixture(scope="session")
def result(lab: OneLab) -> Run:
    return lab.result
