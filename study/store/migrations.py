"""Brings a database to today's tables: an empty one is given them at once, an older one step by step.

A migration is frozen once released: it names its tables itself and never reads schema.py, which moves on.
To change the tables: change schema.py, append a function to MIGRATIONS, add a dump of the old version, and a
file that it left, to the tests. Never migrates down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, inspect, select, text, update

from study.store import schema
from study.store.errors import StoreError, incomplete

Migration = Callable[[Connection], None]


def _count_rows(connection: Connection) -> None:
    """Version 2: an order of our own, `serial`, in the place of the clock's.

    An attempt that is still open comes last: no other could begin before it was finished.
    """
    orders = {
        "profiles": ("id AS profile, id", "created, id"),
        "draft_copies": ("profile, id", "changed, id DESC"),
        "attempts": ("profile, id", "finished IS NULL, started, id DESC"),
    }
    for table, (columns, order) in orders.items():
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN serial BIGINT NOT NULL DEFAULT 0"))
        rows = connection.execute(text(f"SELECT {columns} FROM {table} ORDER BY {order}")).all()
        owner = "" if table == "profiles" else "profile = :profile AND "
        if rows:
            connection.execute(
                text(f"UPDATE {table} SET serial = :serial WHERE {owner}id = :id"),
                [
                    {"serial": serial, "profile": row.profile, "id": row.id}
                    for serial, row in enumerate(rows, 1)
                ],
            )
    connection.execute(text("DROP INDEX attempts_by_question"))
    connection.execute(text("CREATE INDEX attempts_by_question ON attempts (profile, question, serial)"))


def _keep_interviews(connection: Connection) -> None:
    """Version 3: interviews that somebody leads, each with the line of what happened in it."""
    connection.execute(
        text(
            "CREATE TABLE interviews (profile TEXT NOT NULL, id TEXT NOT NULL, candidate TEXT NOT NULL, "
            "minutes INTEGER NOT NULL, questions JSON NOT NULL, started DOUBLE PRECISION NOT NULL, "
            "finished DOUBLE PRECISION, link TEXT, expires DOUBLE PRECISION NOT NULL, "
            "serial BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (profile, id), UNIQUE (link), "
            "FOREIGN KEY(profile) REFERENCES profiles (id) ON DELETE CASCADE)"
        )
    )
    connection.execute(
        text(
            "CREATE TABLE interview_events (profile TEXT NOT NULL, interview TEXT NOT NULL, "
            "serial BIGINT NOT NULL, moment DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL, "
            "question TEXT NOT NULL, data JSON NOT NULL, PRIMARY KEY (profile, interview, serial), "
            "FOREIGN KEY(profile, interview) REFERENCES interviews (profile, id) ON DELETE CASCADE)"
        )
    )


def _keep_panels(connection: Connection) -> None:
    """Version 4: others who tick the lines of an interview, each by an own link."""
    connection.execute(
        text(
            "CREATE TABLE panel_members (profile TEXT NOT NULL, interview TEXT NOT NULL, id TEXT NOT NULL, "
            "name TEXT NOT NULL, ticks JSON NOT NULL, handed DOUBLE PRECISION, link TEXT, "
            "expires DOUBLE PRECISION NOT NULL, serial BIGINT NOT NULL DEFAULT 0, "
            "PRIMARY KEY (profile, interview, id), UNIQUE (link), "
            "FOREIGN KEY(profile, interview) REFERENCES interviews (profile, id) ON DELETE CASCADE)"
        )
    )


def _link_consoles(connection: Connection) -> None:
    """Version 5: a second link of an interview, which opens its console on another device."""
    for column in ("console_link TEXT", "console_expires DOUBLE PRECISION NOT NULL DEFAULT 0"):
        connection.execute(text(f"ALTER TABLE interviews ADD COLUMN {column}"))
    connection.execute(text("CREATE UNIQUE INDEX interviews_by_console ON interviews (console_link)"))


MIGRATIONS: tuple[Migration, ...] = (_count_rows, _keep_interviews, _keep_panels, _link_consoles)
"""The first leads from version 1 to version 2, the next from 2 to 3, and so on."""


def migrate(connection: Connection, place: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the tables to the newest version, inside the caller's transaction.

    Raises StoreError for a newer version than this program's, for a database that is not ours, and for one
    that lacks a table of ours.
    """
    newest = 1 + len(migrations)
    if not inspect(connection).get_table_names():
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.schema_version).values(version=newest))
        return
    version = _version(connection, place)
    if version > newest:
        raise StoreError(
            f"{place} was written by a newer version of this app: update the app, "
            "or set MINIMIND_DATA to another folder.",
            key="store.newer",
            place=place,
        )
    for number, migration in enumerate(migrations[version - 1 :], version + 1):
        migration(connection)
        connection.execute(update(schema.schema_version).values(version=number))
    if not set(schema.metadata.tables) <= set(inspect(connection).get_table_names()):
        raise incomplete(place)


def _version(connection: Connection, place: str) -> int:
    """The version of the tables, 1 or higher. Raises StoreError where another program made them."""
    table, inspector = schema.schema_version, inspect(connection)
    columns = inspector.get_columns(table.name) if inspector.has_table(table.name) else []
    ours = [column["name"] for column in columns] == ["version"]
    versions = connection.execute(select(table)).scalars().all() if ours else ()
    if len(versions) != 1 or not isinstance(versions[0], int) or versions[0] < 1:
        raise StoreError(
            f"{place} holds the data of another program: name another file or database.",
            key="store.foreign",
            place=place,
        )
    return versions[0]
