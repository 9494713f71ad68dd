"""Two processes of one training, heard until both have ended or it is certain that one waits in vain.

No torch: the processes import it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, TypedDict

from labs.contract import OnProgress
from labs.contract.registry import ROOT

PATIENCE = 20.0
"""Seconds of silence of two ranks that have begun, after which they count as waiting for each other."""
START_SECONDS = 120.0
"""For both processes to import torch and find each other."""
TIMEOUT = 600.0
"""Seconds after which a collective gives up by itself: never, as far as a run here goes."""


class RankStory(TypedDict):
    """What one rank did: the step of every all-reduce that it launched, and what it said after each step.

    `ended` is "done", "error" or "waits": in a collective that nobody will join.
    """

    all_reduces: list[int]
    reports: list[dict[str, Any]]
    ended: str
    error: str


def run_pair(
    module: str, settings: dict[str, Any], reports: int, on_progress: OnProgress, patience: float = PATIENCE
) -> list[RankStory]:
    """Start `module` (see `rank.py`) as both ranks with these settings and hear them out.

    Each is expected to report so many steps, none later than `patience` seconds after the last. `on_progress`
    may raise, which ends both. Whatever happens, both processes have ended when this returns.
    """
    stories: list[RankStory] = [_silent(), _silent()]
    heard: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
    with tempfile.TemporaryDirectory() as folder:
        told = settings | {"store": str(Path(folder) / "store"), "timeout": TIMEOUT}
        processes = [_start(module, told | {"rank": rank}, heard, rank) for rank in range(2)]
        try:
            _listen(stories, heard, processes, reports, on_progress, patience)
        finally:
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()
    return stories


def _listen(
    stories: list[RankStory],
    heard: queue.Queue[tuple[int, dict[str, Any]]],
    processes: list[subprocess.Popen[str]],
    reports: int,
    on_progress: OnProgress,
    patience: float,
) -> None:
    last = time.monotonic()
    while any(not story["ended"] for story in stories):
        on_progress(sum(len(story["reports"]) for story in stories) / (2 * reports))
        try:
            rank, report = heard.get(timeout=0.1)
            _note(stories[rank], report)
            last = time.monotonic()
        except queue.Empty:
            begun = all(story["reports"] for story in stories)
            silent = time.monotonic() - last > (patience if begun else START_SECONDS)
            for story, process in zip(stories, processes, strict=True):
                if not story["ended"] and process.poll() is not None and heard.empty():
                    story["ended"], story["error"] = "error", f"exit code {process.returncode}"
                elif not story["ended"] and (silent or _in_vain(stories)):
                    story["ended"] = "waits"


def _in_vain(stories: list[RankStory]) -> bool:
    """Whether a rank has ended and the other is in an all-reduce that it never launched."""
    ended = [story for story in stories if story["ended"]]
    going = [story for story in stories if not story["ended"]]
    return bool(ended) and len(going[0]["all_reduces"]) > len(ended[0]["all_reduces"])


def _note(story: RankStory, report: dict[str, Any]) -> None:
    if "launched" in report:
        story["all_reduces"].append(report["launched"])
    elif "step" in report:
        story["reports"].append(report)
    else:
        story["ended"] = "error" if "error" in report else "done"
        story["error"] = report.get("error", "")


def _start(
    module: str, told: dict[str, Any], heard: queue.Queue[tuple[int, dict[str, Any]]], rank: int
) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # a machine's own name need not resolve
    process = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(told)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                heard.put((rank, json.loads(line)))

    threading.Thread(target=read, daemon=True).start()
    return process


def _silent() -> RankStory:
    return {"all_reduces": [], "reports": [], "ended": "", "error": ""}
