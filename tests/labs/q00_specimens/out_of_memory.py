"""Asks torch for more memory than there is."""

from __future__ import annotations

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class OutOfMemory(Soon, Experiment[NoParams, Anything]):
    """Asks torch for more memory than there is."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        return {"sum": float(torch.ones(1 << 50, device=ctx.device).sum())}
