"""Brings a database to today's tables: an empty one is given them at once, an older one step by step.

A migration is frozen once released: it names its tables itself and never reads schema.py, which moves on.
To change the tables: change schema.py, append a function to MIGRATIONS, add a dump of the old version to
the tests. Never migrates down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, inspect, select, update

from study.store import schema
from study.store.errors import StoreError

Migration = Callable[[Connection], None]

MIGRATIONS: tuple[Migration, ...] = ()
"""The first leads from version 1 to version 2, the next from 2 to 3, and so on."""


def migrate(connection: Connection, place: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the tables to the newest version, inside the caller's transaction.

    Raises StoreError for a newer version than this program's, and for a database that is not ours.
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
