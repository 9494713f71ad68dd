"""Whatever another program did to the database, work goes on, or one sentence says what to do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from study.store import Store, StoreError, open_store
from study.store.damage import make_private
from tests.study.test_store_order import KEY, filled, goes_on

ANYTHING = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(
        ["{", "{bad", "[", "null", "5", '"abc"', "[1]", '[["a"]]', '{"speedup": [1]}', '{"a": NaN}']
    )
    | st.sampled_from(
        ['{"speedup": 1' + "0" * digits + "}" for digits in (200, 400, 5000)]
        + ['{"speedup": ' + "[" * levels + "]" * levels + "}" for levels in (60, 70, 900, 100_000)]
        + ['{"speedup": 1e999}', '{"speedup": -Infinity}', '{"speedup": {"a": 10e308}}']
    )
)
COLUMNS = {
    "attempts": "started changed finished text predictions measurements ticks help_used seconds tier",
    "drafts": "text revision changed",
    "draft_copies": "text changed",
}
PLACES = [(table, column) for table, columns in COLUMNS.items() for column in columns.split()]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place_in=st.sampled_from(PLACES), value=ANYTHING)
def test_whatever_another_program_wrote_into_the_file_everything_goes_on(
    place: Path, place_in: tuple[str, str], value: Any
) -> None:
    store = open_store()
    for profile in store.profiles.named():  # of an example that failed
        store.profiles.delete(profile.id)
    ada = store.profiles.create("Ada").id
    filled(store, ada)
    table, column = place_in
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute(f"UPDATE OR IGNORE {table} SET {column} = coalesce(?, {column})", (value,))
    goes_on(store, ada)
    store.profiles.delete(ada)
    store.close()


def test_a_text_that_is_no_utf8_is_read_with_marks_in_it(place: Path) -> None:
    store = open_store()
    ada = store.profiles.create("Ada").id
    store.drafts.save(ada, *KEY, "x", 1)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE drafts SET text = CAST(X'61ff' AS TEXT)")
    draft = store.drafts.get(ada, *KEY)
    assert draft and draft.text == "a\ufffd"
    store.close()


@pytest.mark.parametrize("table", ["attempts", "drafts", "draft_copies", "profiles"])
def test_a_lost_table_is_one_sentence_at_work_and_at_start(
    store: Store, ada: str, database: str, table: str
) -> None:
    filled(store, ada)
    engine = create_engine(database)
    with engine.begin() as connection:
        for statement in [f"DROP TABLE {table} CASCADE"] if "post" in database else [f"DROP TABLE {table}"]:
            connection.execute(text(statement))
    engine.dispose()
    for action in (lambda: store.transfer.export(ada), lambda: store.transfer.export(ada), open_store):
        with pytest.raises(StoreError, match="lacks a part of our tables"):
            action()


@pytest.mark.parametrize("version", [0, -1, None])
def test_a_version_that_is_none_is_one_sentence(store: Store, database: str, version: int | None) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM schema_version"))
        if version is not None:
            connection.execute(text(f"INSERT INTO schema_version VALUES ({version})"))
    engine.dispose()
    with pytest.raises(StoreError, match="another program"):
        open_store()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_that_is_emptied_while_the_app_runs_is_begun_anew(store: Store, database: str) -> None:
    before = store.openings
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    with pytest.raises(StoreError):
        store.profiles.named()
    assert store.profiles.create("Ada") in store.profiles.named() and store.openings == before + 1


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_no_other_user_reads_the_files(place: Path, before: int | None) -> None:
    place.parent.chmod(0o755)
    old_mask = os.umask(0)
    try:
        if before is not None:
            open_store().close()
            for path in place.parent.iterdir():
                path.chmod(before)
        store = open_store()
        ada = store.profiles.create("Ada").id
        store.drafts.save(ada, *KEY, "private", 1)
        modes = {path.name: path.stat().st_mode & 0o777 for path in place.parent.iterdir()}
        store.close()
    finally:
        os.umask(old_mask)
    assert len(modes) == 4 and set(modes.values()) == {0o600}, modes


def test_opening_again_in_one_process_keeps_the_locks_of_the_first(place: Path) -> None:
    """To open and close the file beside SQLite would drop them: POSIX locks belong to the process."""
    store = open_store()
    code = f"import sqlite3; sqlite3.connect({str(place)!r}, timeout=0.1).execute('BEGIN IMMEDIATE')"
    with store._database.write():
        make_private(place)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "database is locked" in other.stderr
    store.close()
