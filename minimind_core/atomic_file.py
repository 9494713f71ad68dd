"""Write a file whole or not at all: a full disk or a kill leaves the old file as it was. No torch.

The new content goes into a hidden sibling, is flushed to the disk and takes the file's name at the end. A
whole folder is replaced by `atomic_folder.py`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from minimind_core.progress import OnProgress, unheard

ABANDONED_AFTER = 3600.0
"""Seconds after which a half-written sibling belongs to a writer that was killed."""
CHUNK = 2**24
"""Bytes between two reports of progress."""


def write_whole(path: Path, data: bytes | str) -> None:
    """Make `data` (a text as UTF-8) the content of `path`, in a folder that is made where it is missing.

    Raises OSError, with the old file as it was.
    """
    with open_whole(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def open_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write into that becomes `path` when the block ends well, and keeps its permissions.

    Raises OSError.
    """
    with written_whole(path) as partial, open(partial, "wb") as file:
        yield file


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A hidden sibling's name, for a library that opens its file itself: what it wrote and closed becomes
    `path` when the block ends well, and keeps its permissions. Behind a link, the file that it leads to does.

    Raises OSError, also for a device or a pipe: a rename would put a file in the place of `/dev/null`.
    """
    path = _ordinary(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    partial = partial_sibling(path)
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())  # or the rename could reach the disk before the data
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_target(path: Path) -> None:
    """Raise OSError where `open_whole` would, now: before the work whose result the file is to hold.

    Leaves nothing behind, no folder either.
    """
    check_place(_ordinary(path))


def _ordinary(path: Path) -> Path:
    """Where a file of this name lies, or would. Raises OSError where a folder or something special does."""
    path = path.resolve()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))
    return path


def check_place(path: Path) -> None:
    """Raise OSError where nothing can be made at `path`. Leaves no trace."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    probe = partial_sibling(folder / path.name)
    try:
        probe.touch()
    finally:
        probe.unlink(missing_ok=True)


def write_flushed(path: Path, data: bytes, on_progress: OnProgress = unheard) -> None:
    """Write a new file and flush it to the disk; `on_progress` is given the bytes written and those of all.

    For files in a folder that is renamed as a whole. Raises OSError.
    """
    with open(path, "wb") as file:
        for start in range(0, len(data), CHUNK):
            file.write(data[start : start + CHUNK])
            on_progress(file.tell(), len(data))
        file.flush()
        os.fsync(file.fileno())


def partial_sibling(path: Path) -> Path:
    """A hidden name beside `path` that no other writer has."""
    return path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")


def remove_abandoned(path: Path) -> None:
    """Remove half-written siblings of `path`, files or folders, whose writers must have been killed."""
    for sibling in path.parent.iterdir():
        if not sibling.name.startswith(f".{path.name}.partial-"):
            continue
        with contextlib.suppress(OSError):  # another writer may be removing it at this moment
            if time.time() - sibling.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(sibling) if sibling.is_dir() else sibling.unlink()
