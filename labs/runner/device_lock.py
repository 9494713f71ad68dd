"""One lock file per device, so that two processes of this app never measure on it at once.

The system releases the lock when its process dies, however it dies. Users of one machine do not exclude
each other, nor can one hold up another: each has a folder of their own, which nobody else may write to.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from platform import node

from filelock import BaseFileLock, FileLock

from labs.runner.store import cache_folder
from minimind_core.errors import DeviceError

POLL_SECONDS = 0.05


@contextmanager
def hold_device(
    device: str, *, while_waiting: Callable[[], None] = lambda: None, folder: Path | None = None
) -> Iterator[None]:
    """Hold the lock of a device, such as "cpu", inside the `with` block.

    While another process holds it, `while_waiting` is called every POLL_SECONDS; what it raises ends the
    wait. The lock file lies in `folder`, by default one that is local to this machine. Raises DeviceError
    where it can be written nowhere.
    """
    with _acquired(f"{device}.lock", [folder] if folder else list(_folders()), while_waiting):
        yield


def _acquired(name: str, folders: list[Path], while_waiting: Callable[[], None]) -> BaseFileLock:
    """The lock, held, in the first of the folders where that can be."""

    def go_on() -> bool:
        while_waiting()
        return False

    for folder in folders:
        # A lock file that is kept is locked by the system alone: no marker file outlives its process.
        try:
            _make_own(folder)
            lock = FileLock(folder / name, preserve_lock_file=True)
            lock.acquire(poll_interval=POLL_SECONDS, cancel_check=go_on)
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        else:
            return lock
    raise DeviceError(
        f"No lock for the device can be made in {folders[-1]} ({reason}); free space there, or name another "
        "folder in MINIMIND_LAB_CACHE.",
        key="device.no_lock",
        path=str(folders[-1]),
        reason=reason,
    )


def _folders() -> Iterator[Path]:
    """Where this user's locks may lie, the first choice first, the same for every process of this user.

    `MINIMIND_LAB_CACHE` names a place. Else it is local to this machine, unlike a home folder, which comes
    second where somebody else has taken the first.
    """
    if "MINIMIND_LAB_CACHE" not in os.environ:
        yield Path(tempfile.gettempdir()) / f"minimind-lab-{_user()}"
    yield cache_folder() / f"locks-{node()}"


def _user() -> int | str:
    return os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")


def _make_own(folder: Path) -> None:
    """Make the folder where it is missing. Raises OSError where it is not this user's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):
        return
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to another user", str(folder))
    if about.st_mode & 0o022:
        folder.chmod(0o700)
