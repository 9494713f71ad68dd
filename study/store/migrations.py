"""From any older version of the tables to today's, in order, inside one transaction.

A migration is frozen once released: it names its tables itself and never reads schema.py, which moves on.
To change the tables: change schema.py, append a function here, add the old version's dump to the tests.
Never migrates down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, inspect, text

from study.store.errors import StoreError

Migration = Callable[[Connection], None]


def _v1_profiles_drafts_attempts(connection: Connection) -> None:
    owner = "FOREIGN KEY (profile) REFERENCES profiles (id) ON DELETE CASCADE"
    for statement in (
        "CREATE TABLE profiles (id TEXT NOT NULL PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
        "name TEXT NOT NULL, created DOUBLE PRECISION NOT NULL)",
        "CREATE TABLE drafts (profile TEXT NOT NULL, question TEXT NOT NULL, field TEXT NOT NULL, "
        "text TEXT NOT NULL, revision BIGINT NOT NULL, changed DOUBLE PRECISION NOT NULL, "
        f"PRIMARY KEY (profile, question, field), {owner})",
        "CREATE TABLE draft_copies (profile TEXT NOT NULL, id TEXT NOT NULL, question TEXT NOT NULL, "
        "field TEXT NOT NULL, text TEXT NOT NULL, changed DOUBLE PRECISION NOT NULL, "
        f"PRIMARY KEY (profile, id), {owner})",
        "CREATE TABLE attempts (profile TEXT NOT NULL, id TEXT NOT NULL, question TEXT NOT NULL, "
        "started DOUBLE PRECISION NOT NULL, changed DOUBLE PRECISION NOT NULL, "
        "finished DOUBLE PRECISION, text TEXT NOT NULL, predictions JSON NOT NULL, "
        "measurements JSON NOT NULL, ticks JSON NOT NULL, help_used JSON NOT NULL, "
        "seconds DOUBLE PRECISION NOT NULL, tier INTEGER, "
        f"PRIMARY KEY (profile, id), {owner})",
        "CREATE INDEX attempts_by_question ON attempts (profile, question, started)",
        "CREATE INDEX copies_by_draft ON draft_copies (profile, question, field)",
    ):
        connection.execute(text(statement))


MIGRATIONS: tuple[Migration, ...] = (_v1_profiles_drafts_attempts,)


def migrate(connection: Connection, place: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the tables up to the last of `migrations`; an empty database counts as version 0.

    Raises StoreError for a newer version than this program's, and for a database that is not ours.
    """
    version = _version(connection, place)
    if version > len(migrations):
        raise StoreError(
            f"{place} was written by a newer version of this app: update the app, "
            "or set MINIMIND_DATA to another folder.",
            key="store.newer",
            place=place,
        )
    for number, migration in enumerate(migrations[version:], version + 1):
        migration(connection)
        connection.execute(text("UPDATE schema_version SET version = :number"), {"number": number})


def _version(connection: Connection, place: str) -> int:
    tables = inspect(connection).get_table_names()
    if not tables:
        connection.execute(text("CREATE TABLE schema_version (version INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO schema_version VALUES (0)"))
        return 0
    rows = (
        connection.execute(text("SELECT version FROM schema_version")).all()
        if "schema_version" in tables
        else []
    )
    if len(rows) != 1 or not isinstance(rows[0][0], int):
        raise StoreError(
            f"{place} holds the data of another program: name another file or database.",
            key="store.foreign",
            place=place,
        )
    return int(rows[0][0])
