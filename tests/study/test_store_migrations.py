"""Migrations: from every older version to today's tables, all of it or nothing."""

from __future__ import annotations

import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from study.store import Store, StoreError, open_store, schema
from study.store.migrations import MIGRATIONS, Migration, migrate

DUMPS = Path(__file__).with_name("store_versions")
FILES = Path(__file__).with_name("store_files")
"""What the app of that version itself left when it was ended in the middle: a file, and a log beside it."""
NEWEST = 1 + len(MIGRATIONS)
VERSIONS = range(1, NEWEST + 1)
STEPS = 4


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A way to the test's empty database beside the store's own."""
    engine = create_engine(database)
    yield engine
    engine.dispose()


def run_script(engine: Engine, script: str) -> None:
    """Each statement of a dump; a table that others refer to comes before them, as PostgreSQL wants it."""
    parts = [part.strip() for part in script.split(";")]
    statements = [part for part in parts if part.startswith(("CREATE", "INSERT"))]
    with engine.begin() as connection:
        for statement in sorted(statements, key=rank):
            connection.exec_driver_sql(statement)


def rank(statement: str) -> int:
    """0 for profiles, 1 for interviews, whose events refer to them, 2 for all else."""
    table = statement.partition("(")[0]
    return 0 if "profiles" in table else 1 if "interviews" in table else 2


def tables_of(connection: Connection) -> dict[str, Any]:
    """Columns, keys and indexes of each table, in the words of this kind of database."""
    inspector = inspect(connection)
    return {
        table: (
            {(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)},
            inspector.get_pk_constraint(table)["constrained_columns"],
            [
                (key["constrained_columns"], key["referred_table"], key["referred_columns"], key["options"])
                for key in inspector.get_foreign_keys(table)
            ],
            [key["column_names"] for key in inspector.get_unique_constraints(table)],
            {(index["name"], tuple(index["column_names"])) for index in inspector.get_indexes(table)},
        )
        for table in inspector.get_table_names()
    }


def version_of(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT version FROM schema_version")).scalar_one())


def test_every_version_left_a_dump() -> None:
    assert {path.name for path in DUMPS.iterdir()} == {f"v{number}.sql" for number in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_older_version_kept_is_all_there(engine: Engine, version: int) -> None:
    run_script(engine, (DUMPS / f"v{version}.sql").read_text(encoding="utf-8"))
    assert version_of(engine) == version
    store = open_store()
    assert version_of(engine) == NEWEST and store.notice is None
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


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_a_file_of_an_older_app_that_was_killed_is_read_and_goes_on(place: Path, version: int) -> None:
    with tarfile.open(FILES / f"v{version}.tar.xz") as archive:
        archive.extractall(place.parent, filter="data")
    assert place.stat().st_size == 4096 < Path(f"{place}-wal").stat().st_size, "all of it is in the log"
    store = open_store()
    [ada] = store.profiles.named()
    draft = store.drafts.get(ada.id, "q06", "answer")
    assert ada.name == "Ada" and draft and draft.text == "少 KV 头" and store.notice is None
    assert [copy.text for copy in store.drafts.copies(ada.id)] == ["older"]
    begun, scored = store.attempts.of(ada.id)
    assert (scored.tier, scored.predictions, scored.measurements) == (80, {"speedup": 4.0}, {"speedup": 1.08})
    assert begun.tier is None and begun.predictions == {"cache": 2.0}
    assert store.attempts.finish(store.attempts.open(ada.id, "q06"), 60).id == begun.id
    interviews = store.interviews.of(ada.id)
    assert [grace.candidate for grace in interviews] == ["Grace"] * (version >= 3)
    for grace in interviews:
        assert [event.data["text"] for event in store.interviews.events(grace)] == ["数错了头"]
        ticks = [(member.name, member.ticks, bool(member.handed)) for member in store.panels.of(grace)]
        assert ticks == [("Barbara", {"q06": ("byte-formula",)}, True)] * (version >= 4)
    store.close()
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchone() == (NEWEST,)


@pytest.mark.parametrize("version", [number for number in VERSIONS if number >= 3])
def test_an_interview_of_an_older_version_goes_on(engine: Engine, version: int) -> None:
    """Version 3 had interviews, version 4 panels too, version 5 a link to the console."""
    run_script(engine, (DUMPS / f"v{version}.sql").read_text(encoding="utf-8"))
    store = open_store()
    [grace] = store.interviews.of(store.profiles.named()[0].id)
    assert (grace.candidate, grace.questions, grace.link) == ("Grace", ("q06",), "link-1")
    assert [(event.kind, event.data) for event in store.interviews.events(grace)] == [
        ("note", {"text": "数错了头"})
    ]
    handed_in = [(member.name, member.ticks) for member in store.panels.of(grace) if member.handed]
    assert handed_in == [("Barbara", {"q06": ("byte-formula",)})][: max(0, version - 3)]
    store.interviews.add(grace, "note", "q06", {"text": "on it goes"})
    assert store.panels.invite(grace, "Charles") in store.panels.of(grace)
    assert [event.data["text"] for event in store.interviews.events(grace)][1:] == ["on it goes"]
    store.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_database_gets_the_tables_of_a_new_one(engine: Engine, version: int) -> None:
    run_script(engine, (DUMPS / f"v{version}.sql").read_text(encoding="utf-8"))
    open_store().close()
    with engine.begin() as connection:
        migrated = tables_of(connection)
        for table in (*reversed(schema.metadata.sorted_tables), schema.schema_version):
            table.drop(connection, checkfirst=True)
        migrate(connection, "here")
        assert tables_of(connection) == migrated and set(migrated) == set(schema.metadata.tables)


def test_version_2_counts_rows_in_the_order_of_work_whatever_their_clock_said(engine: Engine) -> None:
    """A scored attempt from the future no longer lies above the one that is open."""
    script = (DUMPS / "v1.sql").read_text(encoding="utf-8")
    [line] = [line for line in script.splitlines() if line.startswith('INSERT INTO "attempts"')]
    future = line.replace("'id-3'", "'future'").replace("1795600000.25", "250000000000.5")
    unfinished = line.replace("'id-3'", "'open'").replace("1795600000.25,'Fewer", "NULL,'Fewer")
    run_script(engine, "".join((script, future, unfinished.replace(",80)", ",NULL)"))))
    store = open_store()
    [ada] = store.profiles.named()
    assert [attempt.id for attempt in store.attempts.of(ada.id)] == ["open", "future", "id-3"]
    again = store.attempts.open(ada.id, "q06")
    assert again.id == "open" and store.attempts.finish(again, 60) == store.attempts.of(ada.id)[0]
    assert store.attempts.open(ada.id, "q06") == store.attempts.of(ada.id)[0]
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


@pytest.mark.parametrize("older", range(STEPS))
def test_steps_run_in_order_and_once_from_any_version(older: int) -> None:
    steps = [step(number) for number in range(STEPS)]
    with create_engine("sqlite://").begin() as connection:
        migrate(connection, "here", ())
        for count in (older, STEPS, STEPS):
            migrate(connection, "here", steps[:count])
            version = connection.execute(text("SELECT version FROM schema_version")).scalar_one()
            assert version == 1 + count
            assert set(inspect(connection).get_table_names()) == {
                *schema.metadata.tables,
                *(f"t{number}" for number in range(count)),
            }


def test_an_empty_database_is_of_the_newest_version_at_once() -> None:
    with create_engine("sqlite://").begin() as connection:
        migrate(connection, "here", [step(0, fails=True)])
        assert connection.execute(text("SELECT version FROM schema_version")).scalar_one() == 2


def test_a_migration_that_fails_leaves_the_old_version(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store().close()
    steps = (*MIGRATIONS, step(0), step(1, fails=True))
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "__defaults__", (steps,))
        with pytest.raises(RuntimeError, match="power cut"):
            open_store()
    assert version_of(engine) == NEWEST
    assert set(inspect(engine).get_table_names()) == set(schema.metadata.tables)
    open_store().close()


def test_a_newer_version_is_left_alone(engine: Engine) -> None:
    open_store().close()
    with engine.begin() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(StoreError, match="newer version of this app: update the app"):
        open_store()
    assert version_of(engine) == 99


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE films (title TEXT)",
        "CREATE TABLE schema_version (version TEXT)",
        "CREATE TABLE schema_version (release INTEGER);INSERT INTO schema_version VALUES (1)",
        "CREATE TABLE schema_version (version TEXT);INSERT INTO schema_version VALUES ('2024-01-01')",
        "CREATE TABLE schema_version (version INTEGER);INSERT INTO schema_version VALUES (0)",
    ],
)
def test_the_database_of_another_program_is_left_alone(engine: Engine, script: str) -> None:
    run_script(engine, script)
    with pytest.raises(StoreError, match="another program"):
        open_store()
    assert len(inspect(engine).get_table_names()) == 1
