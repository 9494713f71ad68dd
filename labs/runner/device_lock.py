"""One lock file per device, so that two processes of this app never measure on it at once.

The system lets go of the lock when its process dies, however it dies. It does not lock between the
users of one machine, and it never breaks a lock.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

POLL_SECONDS = 0.05


class DeviceLock:
    """A context manager that holds a device. `while_waiting` is called about 20 times a second until it does.

    with DeviceLock("cuda"): ...
    """

    def __init__(
        self, device: str, *, while_waiting: Callable[[], None] = lambda: None, folder: Path | None = None
    ) -> None:
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
        self.path = (folder or _folder()) / f"minimind-lab-{user}-{device}.lock"
        self._while_waiting = while_waiting
        self._file: IO[bytes] | None = None

    def __enter__(self) -> DeviceLock:
        file = _open(self.path)
        try:
            while not _try_lock(file):
                self._while_waiting()
                time.sleep(POLL_SECONDS)
        except BaseException:
            file.close()
            raise
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()  # closing gives the lock back
            self._file = None


def _folder() -> Path:
    """Local to this machine, unlike a home folder; `MINIMIND_LAB_CACHE` names another place."""
    folder = Path(os.environ.get("MINIMIND_LAB_CACHE") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _open(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return os.fdopen(descriptor, "r+b")


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
