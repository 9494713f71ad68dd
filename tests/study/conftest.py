"""An empty store for each test, once in a SQLite file and once on a PostgreSQL server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from study.store import Store, open_store
from tests.study import postgres

DEBIAN = Path("/etc/debian_version").exists()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server that runs until the session ends. On a Debian of CI it may not be missing."""
    binaries = postgres.programs()
    if binaries is None:
        missing = "there is no PostgreSQL server here: `make system` installs Debian's"
        pytest.fail(missing) if DEBIAN and os.environ.get("CI") == "true" else pytest.skip(missing)
    with postgres.serving(binaries) as address:
        yield address


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The SQLite file that `open_store` makes in this test; it is not there yet."""
    monkeypatch.setenv("MINIMIND_DATA", str(tmp_path))
    monkeypatch.delenv("MINIMIND_DATABASE", raising=False)
    return tmp_path / "study.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the empty database that `open_store` uses in this test."""
    if request.param == "sqlite":
        return f"sqlite:///{place}"
    address: str = request.getfixturevalue("postgres_server")
    monkeypatch.setenv("MINIMIND_DATABASE", address)
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return address


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def ada(store: Store) -> str:
    """The id of a profile."""
    return store.profiles.create("Ada").id
