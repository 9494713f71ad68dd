"""Inner products of the micro-batches' gradients, parameter by parameter: all that is linear in them follows.

For g = sum of c_k S_k and the right r = sum of t_k S_k, |g - r|² is (c - t) G (c - t), where G holds the
inner products of the S. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from labs.q09_accumulation.window_gradients import micro_gradient
from minimind_core.model.minimind import MiniMind


def summed_gradients(
    model: MiniMind, rows: Tensor, counts: Sequence[int], on_micro_batch: Callable[[int], None]
) -> list[list[Tensor]]:
    """Of each micro-batch's summed loss over its first `counts` targets: rows [A, T + 1] -> A gradients."""
    found = []
    for index, (row, count) in enumerate(zip(rows, counts, strict=True)):
        on_micro_batch(index)
        found.append(micro_gradient(model, row, count)[1])
    return found


@torch.no_grad()
def inner_products(
    gradients: Sequence[Sequence[Tensor]], check: Callable[[], None]
) -> list[list[list[float]]]:
    """By parameter, the inner products [A, A] of A gradients, added up in FP64."""
    found = []
    for tensors in zip(*gradients, strict=True):
        check()
        rows = torch.stack([tensor.flatten().double() for tensor in tensors])  # [A, n]
        found.append((rows @ rows.T).tolist())
    return found


@torch.no_grad()
def added_up(gradients: Sequence[Sequence[Tensor]], factor: float) -> list[Tensor]:
    """The sum of the gradients, times `factor`."""
    return [factor * torch.stack(tensors).sum(0) for tensors in zip(*gradients, strict=True)]
