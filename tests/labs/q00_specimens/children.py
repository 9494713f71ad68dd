"""Starts a process of its own, as a two-process lab does, and waits for it."""

from __future__ import annotations

import subprocess
import sys

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class Children(Soon, Experiment[NoParams, Anything]):
    """Starts a process of its own, as a two-process lab does, and waits for it."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        ctx.emit({"pid": child.pid})
        child.wait()
        return {}
