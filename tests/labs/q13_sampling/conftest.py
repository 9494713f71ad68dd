"""Question 13's experiments on a small untrained model."""

from __future__ import annotations

import pytest

from tests.labs.one_lab import OneLab, Run
from tests.labs.one_lab import client as client
from tests.labs.one_lab import text as text

MODEL = "random:byte-128"


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q13", MODEL)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done
