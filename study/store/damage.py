"""Finds a damaged SQLite file and moves it aside under a dated name. Never deletes, never repairs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
