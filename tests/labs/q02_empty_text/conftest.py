"""Question 2's experiments on a small model, each setting once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.q02_empty_text import guards, quiet
from tests.labs.one_lab import OneLab, Run

SMALL = "random:byte-128"


@pytest.fixture(scope="session")
def lab() -> Iterator[OneLab]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (guards, quiet):
            patch.setattr(module, "SMALL_MODEL", SMALL)
        yield OneLab("q02", SMALL, once=True)


@pytest.fixture(scope="session")
def run(lab: OneLab) -> Run:
    return lab.done


@pytest.fixture(scope="session")
def result(lab: OneLab) -> Run:
    return lab.result
