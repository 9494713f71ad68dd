"""Learning rate over a run: warm-up, then one of four shapes. Pure arithmetic, no torch."""

from __future__ import annotations

import math
from typing import Literal

ScheduleKind = Literal["linear", "cosine", "constant", "wsd"]
WSD_DECAY_SHARE = 0.2
"""Warmup-stable-decay (Hu et al. 2024): the share of the run that decays."""


def learning_rate_factor(
    kind: ScheduleKind, step: int, total_steps: int, warmup_steps: int, final_factor: float = 0.0
) -> float:
    """Multiplier of the peak learning rate for step 0..total_steps-1.

    Rises linearly over `warmup_steps`, reaching 1 at its last step, and ends at `final_factor`.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    if kind == "constant":
        return 1.0
    if kind == "linear":
        remaining = 1 - progress
    elif kind == "cosine":
        remaining = 0.5 * (1 + math.cos(math.pi * progress))
    else:
        remaining = min((1 - progress) / WSD_DECAY_SHARE, 1.0)
    return final_factor + (1 - final_factor) * remaining
