"""What can go wrong with the store, each as one sentence that says what to do.

Translates only what a user or an administrator can mend; a programmer's error stays what it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HELD = "Another program holds {place}: close it, or other copies of this app, and try again."
_UNSOUND = "{place} is damaged: try again; it is then kept aside and a new file begun."
_ELSEWHERE = "or set MINIMIND_DATA to another folder."
_SENTENCES = {
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_READONLY: "{place} cannot be written: make it writable, " + _ELSEWHERE,
    sqlite3.SQLITE_CANTOPEN: "{place} cannot be opened: make its folder writable, " + _ELSEWHERE,
    sqlite3.SQLITE_IOERR: "The disk failed at {place}: free or mend it, " + _ELSEWHERE,
    sqlite3.SQLITE_FULL: "The disk is full: free some space for {place} and try again.",
    sqlite3.SQLITE_CORRUPT: _UNSOUND,
    sqlite3.SQLITE_NOTADB: _UNSOUND,
}


class StoreError(Exception):
    """The store cannot do what was asked; the message is one sentence that says what to do."""


class DamagedError(StoreError):
    """The file is no longer a sound database."""


def sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary result code of an error, wrapped by SQLAlchemy or not."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn what the database raises inside into a StoreError about `place`."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        code = sqlite_code(error)
        if code in _SENTENCES:
            kind = DamagedError if code in DAMAGED else StoreError
            raise kind(_SENTENCES[code].format(place=place)) from error
        if code is None and isinstance(error, exc.OperationalError | exc.InterfaceError):
            raise StoreError(f"{place} does not answer: check that it runs and lets us in.") from error
        raise
    except exc.TimeoutError as error:
        raise StoreError(f"{place} is too busy: try again in a moment.") from error
    except OSError as error:
        raise StoreError(f"{place} cannot be written ({error.strerror}): make its folder writable, "
                         + _ELSEWHERE) from error
