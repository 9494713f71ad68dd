"""Replace a folder of files all at once: a full disk or a kill leaves the old folder as it was.

The new files are written into a hidden sibling, flushed to the disk, and renamed into place. Knows
nothing about what the files mean, and never removes a file whose name the caller did not claim.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimind_core.atomic_file import check_place, partial_sibling, remove_abandoned
from minimind_core.errors import CheckpointError

DESKTOP_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""What file managers leave in a folder that was looked at."""


@contextmanager
def replace_folder(folder: Path, own_files: re.Pattern[str]) -> Iterator[Path]:
    """Give an empty folder to write into; when the block ends well, it becomes `folder`.

    Raises CheckpointError, with `folder` untouched, where it cannot be written or holds a file
    whose name `own_files` does not match in full (it would be lost).
    """
    folder = folder.absolute().resolve()
    with _as_checkpoint_error(folder):
        _refuse_foreign_files(folder, own_files)
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        partial = partial_sibling(folder)
        try:
            partial.mkdir()
            yield partial
            _sync(partial)
            _swap(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def check_folder(folder: Path, own_files: re.Pattern[str]) -> None:
    """Raise CheckpointError where `replace_folder` would, now: before the work whose result it is to hold."""
    folder = folder.absolute().resolve()
    with _as_checkpoint_error(folder):
        _refuse_foreign_files(folder, own_files)
        check_place(folder)


@contextmanager
def _as_checkpoint_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"Cannot save to {folder} ({error.strerror or error}): free space or choose "
            "another folder; what was there before is unchanged."
        ) from error


def current_folder(folder: Path) -> Path:
    """Where to read `folder` from: itself, or its old version if a kill hit between two renames."""
    folder = folder.absolute().resolve()
    previous = _previous(folder)
    return previous if previous.is_dir() and not folder.exists() else folder


def _swap(partial: Path, folder: Path) -> None:
    """Put partial at folder. In the instant between the renames readers use `_previous`."""
    previous = _previous(folder)
    if folder.exists():
        if previous.exists():  # left by a writer that was killed after its renames
            shutil.rmtree(previous)
        os.rename(folder, previous)
    try:
        os.rename(partial, folder)
    except OSError:
        if previous.exists():
            os.rename(previous, folder)
        raise
    _sync(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _refuse_foreign_files(folder: Path, own_files: re.Pattern[str]) -> None:
    if not folder.name:
        raise CheckpointError(f"{folder} is no place for a checkpoint; choose a new folder.")
    if not folder.exists():
        return
    if folder.samefile(Path.cwd()):
        # renamed away and deleted, it would leave the shell in a folder that is none any more
        raise CheckpointError(f"{folder} is the folder of this command; choose a new one in it or beside it.")
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is a file; choose a folder to save to.")
    foreign = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.name not in DESKTOP_FILES and not own_files.fullmatch(entry.name)
    )
    if foreign:
        raise CheckpointError(
            f"{folder} also holds {foreign[0]!r}, which saving would delete; choose a new or empty folder."
        )


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _sync(folder: Path) -> None:
    """Flush a folder's own entries. Windows cannot open a folder and does not need to."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
