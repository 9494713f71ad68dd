"""The claims of Question 7 about the real core, run on small models with random weights. Imports torch."""

from __future__ import annotations

import torch
from torch import Tensor

from labs.claims.checks import Check, Finding
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind

SHIFTS = (100, 10_000, 1_000_000)


def beyond_the_table() -> dict[str, str]:
    """Position 512 in a table of 512 rows, and in one of 1024 rows of which half were never trained."""
    found = {}
    for name, rows in (("short", 512), ("long", 1024)):
        try:
            row = torch.nn.Embedding(rows, 8)(torch.tensor([512]))
            found[name] = "finite numbers" if row.isfinite().all() else "NaN"
        except IndexError as error:
            found[name] = type(error).__name__
    return found


def shifted_logits() -> Finding:
    """The largest change of any logit when all positions move, in fp32."""
    torch.manual_seed(0)
    model = MiniMind(PRESETS["byte-128"]).eval()
    ids = torch.randint(0, 256, (1, 64))

    def logits(shift: int) -> Tensor:
        return model(ids, torch.arange(shift, shift + 64)[None])

    with torch.inference_mode():
        changes = [float((logits(shift) - logits(0)).abs().max()) for shift in SHIFTS]
    return Finding(changes[0] < 1e-3 and changes[0] < changes[1] < changes[2], changes)


CHECKS: dict[str, Check] = {"Q7-C13": beyond_the_table, "Q7-C17": shifted_logits}
