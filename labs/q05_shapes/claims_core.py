"""The claims of Question 5 about the real core, run on it with random weights. Imports torch."""

from __future__ import annotations

import torch

from labs.claims.checks import Check, Finding
from minimind_core.model.attention import attend


def fused_agrees() -> Finding:
    """The largest difference between the fused and the written-out attention of our core, in fp32."""
    random = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(2, heads, 64, 64, generator=random) for heads in (8, 2, 2))
    difference = attend(queries, keys, values, None, "sdpa") - attend(queries, keys, values, None, "eager")
    largest = float(difference.abs().max())
    return Finding(largest < 1e-4, largest)


CHECKS: dict[str, Check] = {"Q5-C13": fused_agrees}
