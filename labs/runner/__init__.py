"""Runs experiments outside the web process, so that a measurement never slows a page or takes it down.

Reading order: `job.py` what a caller holds · `client.py` the way in · `schedule.py` who runs next, pure ·
`supervisor.py` the thread that carries it out · `process.py` one worker from outside · `start.py` and
`worker.py` the same from inside · `execute.py` one run · `host.py` device and models · `inline.py` all this
in one process · `cluster.py` a worker somewhere in a Ray cluster.

    runner = WorkerClient.start()
    job = runner.submit("q13/next_token", {"prompt": "今天天气"})
    job.wait(10); job.result["logits"]
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {"Job": "job", "WorkerClient": "client", "WorkerStatus": "job"}
"""Loaded when they are first used: a worker that starts needs none of them."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
