"""Dies as a segmentation fault does."""

from __future__ import annotations

import os
import signal

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class Crash(Soon, Experiment[NoParams, Anything]):
    """Dies as a segmentation fault does."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        os.kill(os.getpid(), signal.SIGSEGV)
        return {}
