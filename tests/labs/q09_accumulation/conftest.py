"""Question 9's experiments on a small model."""

from __future__ import annotations

import pytest

from tests.labs.one_lab import OneLab, Run
from tests.labs.one_lab import result as result


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q09", "nano-rope", once=True)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done
