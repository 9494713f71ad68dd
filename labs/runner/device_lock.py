"""One lock file per device, so that two processes of this app never measure on it at once.

The system releases the lock when its process dies, however it dies. Users of one machine do not exclude
each other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

POLL_SECONDS = 0.05


@contextmanager
def hold_device(
    device: str, *, while_waiting: Callable[[], None] = lambda: None, folder: Path | None = None
) -> Iterator[None]:
    """Hold the lock of a device, such as "cpu", inside the `with` block.

    While another process holds it, `while_waiting` is called every POLL_SECONDS; what it raises ends the
    wait. The lock file lies in `folder`, by default one that is local to this machine.
    """

    def go_on() -> bool:
        while_waiting()
        return False

    # A lock file that is kept is locked by the system alone: no marker file outlives its process.
    lock = FileLock((folder or _folder()) / _file_name(device), preserve_lock_file=True)
    with lock.acquire(poll_interval=POLL_SECONDS, cancel_check=go_on):
        yield


def _file_name(device: str) -> str:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return f"minimind-lab-{user}-{device}.lock"


def _folder() -> Path:
    """Local to this machine, unlike a home folder; `MINIMIND_LAB_CACHE` names another place."""
    folder = Path(os.environ.get("MINIMIND_LAB_CACHE") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    return folder
