"""Migrations: from every older version to today's tables, all of it or nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from study.store import Store, StoreError, open_store, schema
from study.store.migrations import MIGRATIONS, Migration, migrate

DUMPS = Path(__file__).with_name("store_versions")
VERSIONS = range(1, len(MIGRATIONS) + 1)


def columns(connection: Connection) -> dict[str, set[tuple[str, str, bool, bool]]]:
    """What each table has: its columns with type, whether they may be empty, and are part of the key."""
    found = inspect(connection)
    return {
        table: {
            (
                str(column["name"]),
                str(column["type"]),
                bool(column["nullable"]),
                column["name"] in found.get_pk_constraint(table)["constrained_columns"],
            )
            for column in found.get_columns(table)
        }
        for table in found.get_table_names()
    }


def indexes(connection: Connection) -> set[tuple[str, str | None, tuple[str | None, ...]]]:
    found = inspect(connection)
    return {
        (table, index["name"], tuple(index["column_names"]))
        for table in found.get_table_names()
        for index in found.get_indexes(table)
    }


def version_of(place: Path) -> int:
    with closing(sqlite3.connect(place)) as connection:
        return int(connection.execute("SELECT version FROM schema_version").fetchone()[0])


def test_migrated_tables_are_those_of_the_schema() -> None:
    migrated, made = create_engine("sqlite://"), create_engine("sqlite://")
    with migrated.begin() as one, made.begin() as other:
        migrate(one, "here")
        schema.metadata.create_all(other)
        assert columns(one) == columns(other) and indexes(one) == indexes(other)
        for table in schema.metadata.tables:
            keys = [
                [
                    (key["referred_table"], key["constrained_columns"], key["options"])
                    for key in inspect(connection).get_foreign_keys(table)
                ]
                for connection in (one, other)
            ]
            assert keys[0] == keys[1]


def test_every_version_left_a_dump() -> None:
    assert {path.name for path in DUMPS.iterdir()} == {f"v{number}.sql" for number in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_older_version_kept_is_all_there(place: Path, version: int) -> None:
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript((DUMPS / f"v{version}.sql").read_text(encoding="utf-8"))
    assert version_of(place) == version
    store = open_store()
    assert version_of(place) == len(MIGRATIONS) and store.notice is None
    [ada] = store.profiles.named()
    draft = store.drafts.get(ada.id, "q06", "answer")
    assert ada.name == "Ada" and draft and (draft.text, draft.revision) == ("少 KV 头", 7)
    assert [copy.text for copy in store.drafts.copies(ada.id)] == ["older"]
    [attempt] = store.attempts.of(ada.id)
    assert (
        attempt.text,
        attempt.predictions,
        attempt.measurements,
        attempt.ticks,
        attempt.help_used,
        attempt.seconds,
        attempt.tier,
    ) == (
        "Fewer KV heads",
        {"speedup": 4.0, "cache": None},
        {"speedup": {"value": 1.08}},
        ("a",),
        ("hint-1",),
        31.5,
        80,
    )
    assert store.drafts.save(ada.id, "q06", "answer", "on it goes", 8).accepted
    store.close()


def test_opening_again_changes_nothing(store: Store, ada: str) -> None:
    again = open_store()
    assert [profile.id for profile in again.profiles.named()] == [ada] and again.notice is None
    again.close()


def step(number: int, *, fails: bool = False) -> Migration:
    def migration(connection: Connection) -> None:
        connection.execute(text(f"CREATE TABLE t{number} (x INTEGER)"))
        if fails:
            raise RuntimeError("power cut")

    return migration


@pytest.mark.parametrize("older", range(4))
def test_steps_run_in_order_and_once_from_any_version(older: int) -> None:
    steps = [step(number) for number in range(4)]
    with create_engine("sqlite://").begin() as connection:
        for upto in (older, 4, 4):
            migrate(connection, "here", steps[:upto])
            assert connection.execute(text("SELECT version FROM schema_version")).scalar_one() == upto
            assert set(inspect(connection).get_table_names()) == {
                "schema_version",
                *(f"t{number}" for number in range(upto)),
            }


def test_a_migration_that_fails_leaves_the_old_version(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store().close()
    steps = (*MIGRATIONS, step(0), step(1, fails=True))
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "__defaults__", (steps,))
        with pytest.raises(RuntimeError, match="power cut"):
            open_store()
    assert version_of(place) == len(MIGRATIONS)
    with closing(sqlite3.connect(place)) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 't_'").fetchall()
    open_store().close()


def test_a_newer_version_is_left_alone(place: Path) -> None:
    open_store().close()
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match="newer version of this app: update the app"):
        open_store()
    assert version_of(place) == 99


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE films (title TEXT)",
        "CREATE TABLE schema_version (version TEXT)",
        "CREATE TABLE schema_version (version TEXT); INSERT INTO schema_version VALUES ('2024-01-01')",
    ],
)
def test_the_database_of_another_program_is_left_alone(place: Path, script: str) -> None:
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(script)
    with pytest.raises(StoreError, match="another program"):
        open_store()
    with closing(sqlite3.connect(place)) as connection:
        assert len(connection.execute("SELECT 1 FROM sqlite_master").fetchall()) == 1
