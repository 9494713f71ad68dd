"""Seven ways to average the loss of the targets that count. Imports torch.

Each takes logits [..., V], targets int64 [...] and a mask [...] of ones and zeros, and gives one number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def masked_mean(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """The formula of the question."""
    return (_losses(logits, targets) * mask).sum() / mask.sum()


def per_sample(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """The mean of the rows' own means, as in losses on preferences."""
    losses = _losses(logits, targets) * mask  # [B, T]
    return (losses.sum(-1) / mask.sum(-1)).mean()


def ignore_index(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """The loss of Hugging Face and of today's MiniMind."""
    kept = targets.masked_fill(mask == 0, -100)
    return F.cross_entropy(logits.flatten(0, -2), kept.flatten())


def step_count(logits: Tensor, targets: Tensor, mask: Tensor, count: Tensor | None = None) -> Tensor:
    """The sum over one count of targets for the whole optimizer step; `count` None takes this batch's."""
    kept = targets.masked_fill(mask == 0, -100)
    total = F.cross_entropy(logits.flatten(0, -2), kept.flatten(), reduction="sum")
    return total / (mask.sum() if count is None else count)


def clamped(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """The guard that stays connected."""
    return (_losses(logits, targets) * mask).sum() / mask.sum().clamp(min=1)


def epsilon(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """The masked mean with a tiny number in its denominator."""
    return (_losses(logits, targets) * mask).sum() / (mask.sum() + 1e-8)


def disconnected_zero(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """The guard that is not connected to the model: a new zero where nothing counts."""
    if mask.sum() == 0:
        return torch.zeros((), requires_grad=True, device=logits.device)
    return masked_mean(logits, targets, mask)


LOSSES: dict[str, Loss] = {
    loss.__name__: loss
    for loss in (masked_mean, per_sample, ignore_index, step_count, clamped, epsilon, disconnected_zero)
}


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of every target: [..., V], [...] -> [...]."""
    flat = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none")
    return flat.view_as(targets)
