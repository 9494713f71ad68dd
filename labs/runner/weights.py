"""Says which weights a name stands for now, without loading them and without torch.

Part of a run's key: a retrained or replaced checkpoint must never be answered from an old result.
"""

from __future__ import annotations

import hashlib

from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint_config import locate


def weights_version(name: str) -> str:
    """A short digest of the files behind a checkpoint name or path; "missing" where there are none."""
    try:
        path = locate(name)
    except CheckpointError:
        return "missing"
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        stat = file.stat()
        digest.update(f"{file.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
