"""Question 8's experiments, with little to do."""

from __future__ import annotations

import pytest

from labs.runner.inline import InlineClient
from tests.labs.one_lab import OneLab, Run, Show


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q08", once=True)


@pytest.fixture(scope="session")
def client(lab: OneLab) -> InlineClient:
    return lab.client


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.result


@pytest.fixture(scope="session")
def show(lab: OneLab) -> Show:
    return lab.show
