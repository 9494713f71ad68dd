"""Losses of rows of ids under autocast, and whole gradients as vectors. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from minimind_core.model.minimind import MiniMind


def random_rows(model: MiniMind, count: int, length: int) -> Tensor:
    """Rows [count, length + 1] of ids, always the same, for what does not depend on the text."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(3, model.config.vocab_size, (count, length + 1), generator=generator)
    return rows.to(model.device)


def forward(model: MiniMind, rows: Tensor, dtype: torch.dtype | None) -> tuple[Tensor, Tensor]:
    """Logits [B, T, V] and summed cross-entropy of rows int64 [B, T + 1] under autocast to `dtype`.

    None computes in the dtype of the weights.
    """
    with torch.autocast(rows.device.type, dtype, enabled=dtype is not None):
        logits = model(rows[:, :-1])
        loss = cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum")
    return logits, loss


def summed_loss(model: MiniMind, rows: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Cross-entropy summed over all targets; see `forward`."""
    return forward(model, rows, dtype)[1]


def mean_loss(model: MiniMind, rows: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Cross-entropy of a token; see `forward`."""
    return summed_loss(model, rows, dtype) / targets_in(rows)


def targets_in(rows: Tensor) -> int:
    """Predicted tokens of rows [B, T + 1]."""
    return rows[:, 1:].numel()


def gradients(model: MiniMind) -> list[Tensor]:
    """The gradients that there are, in the order of the parameters."""
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def copies(gradient: Sequence[Tensor]) -> list[Tensor]:
    """FP32 copies, which the next backward pass leaves alone."""
    return [tensor.float().clone() for tensor in gradient]


def norm(gradient: Sequence[Tensor]) -> float:
    """The norm of all tensors as one vector."""
    return float(torch.stack([tensor.norm() for tensor in gradient]).norm())


def relative_error(gradient: Sequence[Tensor], true: Sequence[Tensor]) -> float:
    """|gradient - true| / |true| of the whole vectors."""
    return norm([a - b for a, b in zip(gradient, true, strict=True)]) / norm(true)
