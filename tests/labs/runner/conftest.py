"""Where the workers of a test run: here, or in a Ray cluster. What holds for one holds for the other."""

from __future__ import annotations

import pytest

from labs.runner.cluster import LOCAL
from tests.ray_cluster import ON_RAY


@pytest.fixture(scope="module", params=[LOCAL, pytest.param("ray", marks=ON_RAY)])
def backend(request: pytest.FixtureRequest) -> str:
    """The setting `runner` of a WorkerClient."""
    return LOCAL if request.param == LOCAL else request.getfixturevalue("head").address
