"""Question 13's experiments on a small untrained model."""

from __future__ import annotations

import pytest

from labs.contract import Words
from labs.runner.inline import InlineClient
from tests.labs.one_lab import OneLab, Run

MODEL = "random:byte-128"


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q13", MODEL)


@pytest.fixture(scope="session")
def client(lab: OneLab) -> InlineClient:
    return lab.client


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done


@pytest.fixture(scope="session")
def text(lab: OneLab) -> Words:
    return lab.text
