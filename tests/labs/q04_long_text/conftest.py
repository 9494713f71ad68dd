"""Question 4's experiments on a small random model."""

from __future__ import annotations

import pytest

from tests.labs.one_lab import OneLab, Run
from tests.labs.one_lab import result as result
from tests.labs.one_lab import text as text


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q04", "random:nano-rope", once=True)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.run
