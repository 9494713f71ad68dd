"""Opens the store, on this machine's file or on the database of a team."""

from __future__ import annotations

import os

from sqlalchemy import URL

from study.store.attempts import Attempts
from study.store.database import BUSY_SECONDS, Database
from study.store.drafts import Drafts
from study.store.errors import StoreError
from study.store.folder import FILE_NAME, data_folder
from study.store.interviews import Interviews
from study.store.panels import Panels
from study.store.postgres import ANSWER_SECONDS
from study.store.profiles import Profiles
from study.store.transfer import Transfer


class Store:
    """All that is kept. One a process; its threads share it, and other processes may use the same file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.profiles = Profiles(database)
        self.drafts = Drafts(database)
        self.attempts = Attempts(database)
        self.interviews = Interviews(database)
        self.panels = Panels(database)
        self.transfer = Transfer(database)

    @property
    def place(self) -> str:
        """The file, or the database's address without its password."""
        return self._database.place

    @property
    def notice(self) -> StoreError | None:
        """For the user, if a damaged or vanished file was found and mended, until the process ends."""
        return self._database.notice

    @property
    def openings(self) -> int:
        """How often the database was opened; once more after it was replaced. Raises StoreError."""
        return self._database.openings

    @property
    def state(self) -> tuple[int, int]:
        """Another one after every write of this process and every opening. Raises StoreError."""
        return self._database.openings, self._database.writes

    def close(self) -> None:
        """Give the connections back; the store opens new ones if used again."""
        self._database.close()


def open_store(
    url: str | None = None, *, busy_seconds: float = BUSY_SECONDS, answer_seconds: float = ANSWER_SECONDS
) -> Store:
    """Open the store, made or migrated first where needed. Raises StoreError.

    `url` or the environment's MINIMIND_DATABASE names a database (postgresql://ada@host/study); without
    them it is a SQLite file in `data_folder()`. A write waits `busy_seconds` for another program of this
    machine; a statement to PostgreSQL takes `answer_seconds` at most.
    """
    address = (
        url
        or os.environ.get("MINIMIND_DATABASE")
        or URL.create("sqlite", database=str(data_folder().absolute() / FILE_NAME))
    )
    return Store(Database(address, busy_seconds=busy_seconds, answer_seconds=answer_seconds))
