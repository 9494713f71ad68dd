"""Queues minutes of work on a GPU and waits for it."""

from __future__ import annotations

import os

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class HangOnDevice(Soon, Experiment[NoParams, Anything]):
    """Queues minutes of work on a GPU and waits for it."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        square = torch.randn(16384, 16384, device=ctx.device)
        ctx.emit({"pid": os.getpid()})
        for _ in range(4000):
            square = torch.nn.functional.normalize(square @ square)
        torch.cuda.synchronize()
        return {}
