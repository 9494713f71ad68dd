"""Question 3's experiments, with tokenizers that are read once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from labs.q03_vocabulary import shipped
from labs.runner.inline import InlineClient
from tests.labs.one_lab import OneLab, Run, Show


@pytest.fixture(scope="session", autouse=True)
def tokenizers_read_once() -> Iterator[None]:
    """The largest take seconds to read, and no test changes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "load_tokenizer", cache(shipped.load_tokenizer))
        yield


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q03")


@pytest.fixture(scope="session")
def client(lab: OneLab) -> InlineClient:
    return lab.client


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.result


@pytest.fixture(scope="session")
def show(lab: OneLab) -> Show:
    return lab.show
