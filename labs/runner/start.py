"""How a worker process begins: `python -m labs.runner.start`, started and fed by `process.py`.

Reads one line of JSON from standard input: device, model, experiments, where its line to the web process is.
Imports nothing that takes long while `wait_seconds` last: the first page of a fresh server needs the cores.
"""

from __future__ import annotations

import json
import os
import sys
import time

from minimind_core.parent import kill_when_input_closes, leads_group


def main() -> int:
    """Wait, then be a worker until its parent is gone; returns the exit code."""
    config = json.loads(sys.stdin.readline())
    _die_with_parent()
    time.sleep(config.get("wait_seconds", 0.0))
    from labs.runner.worker import serve

    return serve(config)


def _die_with_parent() -> None:
    """Linux: let the kernel kill our process group when the parent's end of standard input closes.

    The worker's reader thread does the same everywhere, but needs the interpreter, which a hang in C may
    hold.
    """
    kill_when_input_closes(-os.getpid() if leads_group() else os.getpid())


if __name__ == "__main__":
    os._exit(main())  # no interpreter teardown: after a device assert it can hang
