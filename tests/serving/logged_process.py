"""A command of `serving` as a process of its own, whose log is read as it comes."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0


class LoggedProcess:
    """`python -m serving` with these words; `lines` are its log so far, one JSON object each.

    What it prints goes nowhere: a pipe that nobody reads would stop it.
    """

    def __init__(
        self, *words: str, environment: Mapping[str, str] | None = None, patience: float = PATIENCE
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        self._patience = patience
        self._news: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serving", *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._news.put(_read(line))
        self._news.put(None)

    def line(self, event: str, name: str | None = None) -> dict[str, Any]:
        """The next line of the log about this."""
        for line in self._coming():
            if line["event"] == event and name in (None, line.get("name")):
                return line
        raise AssertionError(f"no {event}: {self.lines}")

    def rest(self) -> None:
        """Read its log to the end."""
        for _ in self._coming():
            pass

    def _coming(self) -> Iterator[dict[str, Any]]:
        while (line := self._news.get(timeout=self._patience)) is not None:
            self.lines.append(line)
            yield line

    def end(self) -> int:
        """After SIGTERM, which lets it finish."""
        self.process.terminate()
        return self.process.wait(self._patience)


def _read(line: str) -> dict[str, Any]:
    """A line of its log; what it says before it ends in failure is a sentence, and no JSON."""
    try:
        facts: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "said", "text": line}
    return facts
