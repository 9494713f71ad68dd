"""Writes a file whole or not at all: a reader sees what was there before or all of what is new, never a part.

Imports nothing of ours and no torch, so that every room may use it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path


def write_whole(path: Path, data: bytes | str) -> None:
    """Replace the content of `path` with `data`; text is written as UTF-8, line ends as they are.

    The data are on the disk before they take the name, so a kill or a power cut leaves the old file or the
    new one. A file that is replaced keeps its permissions. The folder must exist. Raises OSError, and then
    the old file is as it was and nothing is left beside it.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
