"""Question 14's experiments; equal runs are made once."""

from __future__ import annotations

import pytest

from tests.labs.one_lab import OneLab


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q14", once=True)
