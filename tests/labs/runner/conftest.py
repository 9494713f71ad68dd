"""Where the workers of a test run: here, or in a Ray cluster. What holds for one holds for the other.

Also a scheduler, for what is decided before any worker.
"""

from __future__ import annotations

import pytest

from labs.runner.cluster import LOCAL
from labs.runner.schedule import Scheduler
from tests.ray_cluster import ON_RAY

LIMIT = 60.0


@pytest.fixture(scope="module", params=[LOCAL, pytest.param("ray", marks=ON_RAY)])
def backend(request: pytest.FixtureRequest) -> str:
    """The setting `runner` of a WorkerClient."""
    return LOCAL if request.param == LOCAL else request.getfixturevalue("head").address


@pytest.fixture
def scheduler() -> Scheduler:
    """With one lane, which is ready; a run has `LIMIT` seconds."""
    scheduler = Scheduler()
    scheduler.add_lane("own", LIMIT)
    scheduler.lane_ready("own")
    return scheduler
