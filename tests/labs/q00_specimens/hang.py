"""Never looks whether anybody still waits."""

from __future__ import annotations

import os
import time

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class Hang(Soon, Experiment[NoParams, Anything]):
    """Never looks whether anybody still waits."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        ctx.emit({"pid": os.getpid()})
        while True:
            time.sleep(0.05)
