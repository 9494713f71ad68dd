"""Question 1's experiments on a small untrained model."""

from __future__ import annotations

import pytest

from tests.labs.one_lab import OneLab
from tests.labs.one_lab import client as client
from tests.labs.one_lab import refused as refused
from tests.labs.one_lab import run as run
from tests.labs.one_lab import text as text


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q01", "random:byte-128", once=True)
