"""Question 2's experiments on a small model, each setting once."""

from __future__ import annotations

import pytest

from labs.q02_empty_text import anomaly, guards, quiet
from labs.tools import interleaved
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import OneLab, Run
from tests.labs.one_lab import result as result

SMALL = "random:toy"


@pytest.fixture(scope="session")
def lab() -> OneLab:
    smaller = (
        *((module, "SMALL_MODEL", SMALL) for module in (anomaly, guards, quiet)),
        (interleaved, "CHUNK_SECONDS", {**interleaved.CHUNK_SECONDS, "cpu": 0.001}),
        (anomaly, "SECONDS", PerDevice(cpu=0.1, cuda=0.1)),
        (quiet, "ROWS", 8),
    )
    return OneLab("q02", SMALL, once=True, smaller=smaller)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done
