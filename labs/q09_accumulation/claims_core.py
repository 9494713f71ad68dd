"""The claim of Question 9 about torch's own settings. Imports torch."""

from __future__ import annotations

import inspect

import torch

from labs.claims.checks import Check


def initial_scale() -> int:
    """What a GradScaler multiplies the loss by at the start, if nobody says otherwise."""
    return int(inspect.signature(torch.amp.GradScaler).parameters["init_scale"].default)


CHECKS: dict[str, Check] = {"Q9-C20": initial_scale}
