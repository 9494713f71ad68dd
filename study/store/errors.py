"""What can go wrong with the store, each as one sentence that says what to do.

Translates only what a user or an administrator can mend; a programmer's error stays what it was.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc

from study.store.postgres import timed_out

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MISSING = ("42P01", "42703")  # PostgreSQL: undefined table, undefined column
_NO_SUCH = re.compile(r"no such (table|column)")
_HELD = "Another program holds {place}: close it, or other copies of this app, and try again."
_SILENT = "{place} does not answer: check that it runs and lets us in."
_BUSY = "{place} is too busy: try again in a moment."
_DAMAGED = "{place} is damaged: try again; it is then kept aside and a new file begun."
_ELSEWHERE = "or set MINIMIND_DATA to another folder."
SENTENCES: dict[int | str, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("store.held", _HELD),
    sqlite3.SQLITE_LOCKED: ("store.held", _HELD),
    sqlite3.SQLITE_READONLY: (
        "store.read_only",
        "{place} cannot be written: make it writable, " + _ELSEWHERE,
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "store.closed",
        "{place} cannot be opened: make its folder writable, " + _ELSEWHERE,
    ),
    sqlite3.SQLITE_IOERR: ("store.disk", "The disk failed at {place}: free or mend it, " + _ELSEWHERE),
    sqlite3.SQLITE_FULL: ("store.full", "The disk is full: free some space for {place} and try again."),
    sqlite3.SQLITE_CORRUPT: ("store.damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: ("store.damaged", _DAMAGED),
    "42501": (
        "store.forbidden",
        "{place} lets us in, but not write: GRANT this user ALL on the schema and its tables.",
    ),
    "25006": ("store.only_read", "{place} only lets us read: name the server that takes changes."),
    "57014": ("store.busy", _BUSY),
    "53100": ("store.full", "The disk is full: free some space for {place} and try again."),
}
"""Key and English sentence by SQLite's result code, or PostgreSQL's SQLSTATE."""


class StoreError(Exception):
    """The store cannot do what was asked; the message is one English sentence that says what to do.

    `key` names it in the catalogues of other languages, where `values` fill its placeholders.
    """

    def __init__(self, sentence: str, *, key: str = "", **values: Any) -> None:
        super().__init__(sentence)
        self.key, self.values = key, values


class DamagedError(StoreError):
    """The file is no longer a sound database, or lacks a table of ours."""


class SilentError(StoreError):
    """The server gave no answer in time; finding that out took seconds."""


def incomplete(place: str) -> DamagedError:
    """The error of a database that another program took a table or column from."""
    return DamagedError(
        f"{place} lacks a part of our tables: bring back a copy of it, or name another file or database.",
        key="store.incomplete",
        place=place,
    )


def error_code(error: BaseException) -> int | str | None:
    """SQLite's primary result code or PostgreSQL's SQLSTATE of an error, wrapped by SQLAlchemy or not."""
    original = _original(error)
    code = getattr(original, "sqlite_errorcode", None)
    return getattr(original, "sqlstate", None) if code is None else code & 0xFF


def _original(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, exc.DBAPIError) else error


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what the database raises inside into a StoreError about `place`."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        code = error_code(error)
        if code in _MISSING or (code == sqlite3.SQLITE_ERROR and _NO_SUCH.match(str(_original(error)))):
            raise incomplete(place) from error
        if code in SENTENCES:
            kind = DamagedError if code in DAMAGED else StoreError
            key, sentence = SENTENCES[code]
            raise kind(sentence.format(place=place), key=key, place=place) from error
        if not isinstance(code, int) and isinstance(error, exc.OperationalError | exc.InterfaceError):
            sentence = _SILENT.format(place=place)
            if timed_out(_original(error)):
                raise SilentError(sentence, key="store.silent", place=place) from error
            raise StoreError(sentence, key="store.silent", place=place) from error
        raise
    except exc.TimeoutError as error:
        raise StoreError(_BUSY.format(place=place), key="store.busy", place=place) from error
    except OSError as error:
        raise StoreError(
            f"{place} cannot be written ({error.strerror}): make its folder writable, " + _ELSEWHERE,
            key="store.unwritable",
            place=place,
            reason=error.strerror,
        ) from error
