"""Tells about the process."""

from __future__ import annotations

import os

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class WhoAmI(Soon, Experiment[NoParams, Anything]):
    """Tells about the process."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        threads = torch.get_num_threads()
        return {"pid": os.getpid(), "nice": os.nice(0), "threads": threads, "device": ctx.device}
