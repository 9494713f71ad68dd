"""Losses of trained models on held-out windows, how sure they are, and when to say nothing. NumPy, torch.

The intervals come from resampling the windows of text. They do not contain the luck of the training
seed, of which there is one a model: a verdict needs at least that the intervals lie apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from minimind_core.model.minimind import MiniMind

RESAMPLES = 2000
LEVEL = 0.95


@torch.inference_mode()
def window_losses(
    model: MiniMind, rows: Tensor, checked: Callable[[float], None], *, batch_size: int = 4
) -> NDArray[np.float64]:
    """Mean nats a token of each window; rows int64 [N, T + 1] -> [N]. `checked` hears the share done."""
    device = model.model.embed_tokens.weight.device
    losses = []
    for start in range(0, len(rows), batch_size):
        checked(start / len(rows))
        ids = rows[start : start + batch_size].to(device)
        logits = model(ids[:, :-1]).float()  # [B, T, V]
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        losses.append(loss.view(len(ids), -1).mean(1).cpu())
    return torch.cat(losses).double().numpy()


def intervals(losses: Mapping[str, NDArray[np.float64]], seed: int) -> dict[str, dict[str, float]]:
    """Bootstrap interval of each model's mean loss, over the same resampled windows for all."""
    means = _resampled(losses, seed)
    return {name: _interval(values) for name, values in means.items()}


def differences(losses: Mapping[str, NDArray[np.float64]], seed: int) -> list[dict[str, Any]]:
    """Loss of one model minus another's on the same windows, with an interval, for every pair.

    This is about these two sets of weights on this text, not about the two kinds of model.
    """
    means = _resampled(losses, seed)
    return [
        {
            "first": one,
            "second": other,
            "difference": float((losses[one] - losses[other]).mean()),
            **_interval(means[one] - means[other]),
        }
        for one, other in combinations(losses, 2)
    ]


def _resampled(losses: Mapping[str, NDArray[np.float64]], seed: int) -> dict[str, NDArray[np.float64]]:
    """Means over windows drawn with replacement, [RESAMPLES] a model."""
    count = len(next(iter(losses.values())))
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    return {name: values[drawn].mean(1) for name, values in losses.items()}


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high)}
