"""Question 1's experiments on a small untrained model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labs.contract import Words
from labs.runner.inline import InlineClient
from tests.labs.one_lab import OneLab, Run


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q01", "random:byte-128", once=True)


@pytest.fixture(scope="session")
def client(lab: OneLab) -> InlineClient:
    return lab.client


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.result


@pytest.fixture(scope="session")
def refused(lab: OneLab) -> Callable[..., str]:
    return lab.refused


@pytest.fixture(scope="session")
def text(lab: OneLab) -> Words:
    return lab.text
