"""Results kept on disk, so that a measurement of this machine is found again tomorrow.

One JSON file a run under the user's cache folder; the files unused for longest are removed first. The
key holds everything that a result depends on (experiment and its version, parameters, device, torch,
weights), so that a file is never wrong, only unused. A kept timing says when it was measured.
"""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labs.contract import jsonable
from labs.runner.job import Record, WorkerStatus
from labs.runner.request import Request
from minimind_core.atomic_file import write_whole
from minimind_core.bounded import read_bounded

MAX_BYTES = 200 * 2**20
MAX_FILE_BYTES = 4 * jsonable.MAX_RESULT_BYTES


def cache_folder() -> Path:
    """Where this user's kept results live; `MINIMIND_LAB_CACHE` names another place."""
    if named := os.environ.get("MINIMIND_LAB_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "minimind-lab"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/minimind-lab"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minimind-lab"


def make_record(
    experiment: str, params: dict[str, Any], status: WorkerStatus, seconds: float, result: dict[str, Any]
) -> Record:
    """The record of a run that just ended on the worker with this status."""
    return {
        "experiment": experiment,
        "params": params,
        "device": status.device,
        "device_name": status.device_name,
        "dtype": status.dtype,
        "versions": dict(status.versions),
        "seconds": seconds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "result": result,
    }


class ResultStore:
    """Keeps and finds records by key. A full or read-only disk means that nothing is kept, never an error."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder or cache_folder() / "results"
        self._max_bytes = max_bytes

    def find(self, key: str) -> Record | None:
        """The record kept under `key`, or None.

        A damaged file counts as none, and so does one of an older version, which lacks some field.
        """
        path = self.folder / f"{key}.json"
        try:
            record = jsonable.loads(read_bounded(path, MAX_FILE_BYTES))
            os.utime(path)
        except Exception:  # no file, or one that holds anything at all: it is measured again
            return None
        return record if _is_record(record) else None

    def answer(self, request: Request, status: WorkerStatus) -> Record | None:
        """The kept result of a request, on the worker with this status; None where none is kept."""
        if not request.experiment.keep or not status.device_name:
            return None
        return self.find(request.store_key(status))

    def keep(self, key: str, record: Record) -> None:
        """Write a record, whole or not at all, and make room."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{key}.json", jsonable.dump_bytes(record))
            self._make_room()

    def forget(self) -> None:
        """Remove everything that was kept."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                path.unlink(missing_ok=True)

    def _make_room(self) -> None:
        files = [(path.stat(), path) for path in self.folder.iterdir()]
        files.sort(key=lambda item: item[0].st_mtime)
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in files:
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size


def _is_record(record: Any) -> bool:
    """Whether all parts of a Record are there, each of its kind."""
    if not isinstance(record, dict) or not record.keys() >= Record.__required_keys__:
        return False
    tables = all(isinstance(record[name], dict) for name in ("params", "versions", "result"))
    texts = all(
        isinstance(record[name], str) for name in ("experiment", "device", "device_name", "dtype", "date")
    )
    return tables and texts and isinstance(record["seconds"], float | int)
