"""Read a file that somebody named: only a regular one, and only up to a size. No torch.

A pipe would be waited for, a device may never end, and a file larger than the memory ends the program.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file of at most `most_bytes`; never waits for a pipe, never opens a device.

    Raises OSError, whose `strerror` says what is wrong, for anything else, and for a file that grows.
    """
    _size_of(path, os.stat(path), most_bytes)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        size = _size_of(path, os.fstat(descriptor), most_bytes)  # it may be another file by now
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(size)
            if file.read(1):
                raise OSError(errno.EINVAL, "it is being written to, or has no fixed size", str(path))
        return data
    finally:
        os.close(descriptor)


def machine_memory() -> int:
    """Bytes of memory of this machine; a guess where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 16 * 2**30


def _size_of(path: Path, about: os.stat_result, most_bytes: int) -> int:
    if stat.S_ISDIR(about.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    if about.st_size > most_bytes:
        limit = f"{most_bytes / 2**30:.1f} GB" if most_bytes >= 2**30 else f"{most_bytes / 2**20:.0f} MB"
        raise OSError(errno.EFBIG, f"it is larger than {limit}", str(path))
    return about.st_size
