"""Question 6's experiments, with little to do."""

from __future__ import annotations

import pytest

from tests.labs.one_lab import OneLab
from tests.labs.one_lab import client as client
from tests.labs.one_lab import run as run
from tests.labs.one_lab import show as show


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q06")
