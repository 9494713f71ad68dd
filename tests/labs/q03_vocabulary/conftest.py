"""Question 3's experiments, with tokenizers that are read once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from labs.q03_vocabulary import shipped
from tests.labs.one_lab import OneLab
from tests.labs.one_lab import client as client
from tests.labs.one_lab import run as run
from tests.labs.one_lab import show as show


@pytest.fixture(scope="session", autouse=True)
def tokenizers_read_once() -> Iterator[None]:
    """The largest take seconds to read, and no test changes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipped, "load_tokenizer", cache(shipped.load_tokenizer))
        yield


@pytest.fixture(scope="session")
def lab() -> OneLab:
    return OneLab("q03")
