"""Losses of single tokens. Imports torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from labs.tools.budgets import PerDevice
from labs.tools.models import before_each_layer
from minimind_core.model.minimind import MiniMind

TOKENS_AT_ONCE = PerDevice(cpu=1, cuda=8192)
"""Of one forward, which reads a whole row at least."""


@torch.inference_mode()
def token_losses(
    model: MiniMind, rows: Tensor, check: Callable[[], None], **inputs: Tensor
) -> NDArray[np.float32]:
    """Nats of every token after those before it in its row: rows int64 [N, T + 1] -> [N, T].

    `inputs` are more arguments of the forward, such as `positions`. `check` is called before every layer and
    may raise, so that a cancel is heard in the middle of a long row.
    """
    device = model.device
    at_once = max(1, TOKENS_AT_ONCE.on(device.type) // (rows.shape[1] - 1))
    losses = []
    with before_each_layer(model, check):
        for batch in rows.to(device).split(at_once):
            logits = model(batch[:, :-1], **inputs).float()  # [B, T, V]
            targets = batch[:, 1:]
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
            losses.append(loss.view_as(targets).cpu())
    return torch.cat(losses).numpy()
