"""A store of its own for each test: a SQLite file, or an emptied PostgreSQL database where one is named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from study.store import Store, open_store


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of this test's store; the file, or MINIMIND_TEST_DATABASE instead of it, holds nothing yet."""
    monkeypatch.setenv("MINIMIND_DATA", str(tmp_path))
    monkeypatch.delenv("MINIMIND_DATABASE", raising=False)
    return tmp_path / "study.sqlite3"


@pytest.fixture
def store(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if url := os.environ.get("MINIMIND_TEST_DATABASE"):  # such as postgresql+psycopg://postgres@/study
        monkeypatch.setenv("MINIMIND_DATABASE", url)
        with create_engine(url).begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def ada(store: Store) -> str:
    """The id of a profile."""
    return store.profiles.create("Ada").id
