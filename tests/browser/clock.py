"""A clock that a test sets, for a server of its own: `time.time` of every Python process there is ahead.

    clock = Clock(folder)
    with running_app(folder, free_port(), **clock.environment) as address:
        clock.move(days=3)

Python imports `sitecustomize` by itself; ours replaces `time.time` alone, which all that the app plans by is
read from. Durations, which are `time.monotonic` and `time.perf_counter`, go on as they are.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

DAY = 86_400.0
_CUSTOM = """
import pathlib, time
_ahead, _now = pathlib.Path({ahead!r}), time.time
time.time = lambda: _now() + float(_ahead.read_text())
"""


class Clock:
    """Begins at the next noon of Greenwich, so that no day ends while a test runs."""

    def __init__(self, folder: Path) -> None:
        place = folder / "clock"
        place.mkdir()
        self._ahead = place / "ahead"
        self._seconds = DAY - (time.time() - DAY / 2) % DAY
        self.move(days=0)
        (place / "sitecustomize.py").write_text(_CUSTOM.format(ahead=str(self._ahead)))
        path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH", "")]))
        self.environment = {"PYTHONPATH": path}

    def move(self, *, days: int) -> None:
        """Go forward by whole days."""
        self._seconds += days * DAY
        new = self._ahead.with_suffix(".new")
        new.write_text(repr(self._seconds))
        new.replace(self._ahead)

    def now(self) -> float:
        """What the server takes for now, in seconds since 1970."""
        return time.time() + self._seconds
