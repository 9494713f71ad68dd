"""Finds a damaged SQLite file and moves it aside under a dated name; keeps its files from other users.

Never deletes, never repairs.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date
from pathlib import Path

from study.store.errors import DAMAGED, error_code


@contextmanager
def opening_alone(path: Path, seconds: float) -> Iterator[None]:
    """Let one process at a time check, mend and migrate `path`.

    The lock is SQLite's own on an empty file beside it: it works on every system, and ends with its process.
    """
    with closing(sqlite3.connect(f"{path}.opening", timeout=seconds, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def make_private(path: Path) -> None:
    """Make the files of a database, new or old, readable for this user alone; SQLite's log takes its mode.

    No file that SQLite may have open is opened here: to close it would drop the locks of this whole process.
    A file of another user, or on a disk without modes, stays as it is.
    """
    if os.name != "posix":
        return
    for part in (path, Path(f"{path}.opening")):
        if not part.exists():
            handle, empty = tempfile.mkstemp(prefix=f"{path.name}.new-", dir=path.parent)  # of mode 0600
            os.close(handle)
            with suppress(OSError):  # another process was faster, or a disk has no links
                os.link(empty, part)
            os.unlink(empty)
    for suffix in ("", ".opening", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        with suppress(OSError):
            if part.is_file() and part.stat().st_mode & 0o077:
                part.chmod(0o600)


def is_damaged(path: Path, seconds: float) -> bool:
    """Whether an existing file is no sound SQLite database; a missing or empty one is sound."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=seconds)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.Error as error:
        if error_code(error) in DAMAGED:
            return True
        raise


def set_aside(path: Path) -> Path:
    """Rename the file, and the log that belongs to it, to `….damaged-DATE`; the new path.

    The log goes first: if we are killed in between, the next start moves the rest.
    """
    first = aside = path.with_name(f"{path.name}.damaged-{date.today().isoformat()}")
    count = 1
    while any(Path(f"{aside}{suffix}").exists() for suffix in ("", "-wal")):
        count += 1
        aside = first.with_name(f"{first.name}-{count}")
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside
