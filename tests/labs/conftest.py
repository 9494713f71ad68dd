"""Labs under test keep results and locks in a folder of their own, apart from an app that may be running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIMIND_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
