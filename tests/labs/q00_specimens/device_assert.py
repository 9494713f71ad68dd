"""Reads beside a table on a GPU."""

from __future__ import annotations

from labs.contract import Context, Experiment
from tests.labs.q00_specimens.shared import Anything, NoParams, Soon


class DeviceAssert(Soon, Experiment[NoParams, Anything]):
    """Reads beside a table on a GPU."""

    def measure(self, params: NoParams, ctx: Context) -> Anything:
        import torch

        table = torch.zeros(4, device=ctx.device)
        return {"value": table[torch.tensor([99], device=ctx.device)].cpu().numpy()}
