"""Says which weights a name stands for now, without loading them and without torch.

Part of a run's key: a retrained or replaced checkpoint must never be answered from an old result.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint_config import locate


def weights_version(name: str) -> str:
    """A short digest of the files behind a checkpoint name or path; "missing" where there are none.

    Whatever the name stands for, a pipe or a device too: nothing is opened.
    """
    try:
        path = locate(name)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
    except (CheckpointError, OSError):
        return "missing"
    digest = hashlib.sha256()
    for file in files:
        with contextlib.suppress(OSError):  # gone meanwhile, or a link to nowhere
            about = file.stat()
            if not stat.S_ISDIR(about.st_mode):
                digest.update(os.fsencode(file.name))
                digest.update(f"\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
