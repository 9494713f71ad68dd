"""What holds for every test: its report can be sent, whatever it failed on; and the one Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.ray_cluster import Head

# On a busy machine drawing two inputs once took 48 s, and one example 280 ms: tests were ended for that.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def head() -> Iterator[Head]:
    """A Ray cluster of this machine, started for the first test that asks for it."""
    from tests.ray_cluster import head_node

    with head_node() as head:
        yield head


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half a character in a report would end the worker that sends it, and with it the whole run."""
    report = yield
    written = str(report.longrepr or "")
    if written != _whole(written):
        report.longrepr = _whole(written)
    report.sections = [(name, _whole(text)) for name, text in report.sections]
    return report


def _whole(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
