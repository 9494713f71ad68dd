"""Weight-only int8: symmetric, one fp16 scale for every group of consecutive inputs.

Rounds weights to store them smaller; does not touch activations, calibrate on data or compute in
int8 (weights are dequantised before use). Shapes: `out` rows, `in` columns, G = in / group_size.
"""

from __future__ import annotations

import torch
from torch import Tensor

GROUP_SIZE = 64
LEVELS = 127
"""Largest stored magnitude; -128 is left out so that the range is symmetric."""
MAX_ABS = LEVELS * torch.finfo(torch.float16).max
"""Largest weight whose scale an fp16 can hold."""


def quantize_int8(weight: Tensor, group_size: int = GROUP_SIZE) -> tuple[Tensor, Tensor]:
    """Round each group to 255 levels between -absmax and absmax.

    weight [out, in], finite, |w| <= MAX_ABS, `in` divisible by group_size
    -> q int8 [out, in], scale fp16 [out, G] = absmax / 127, rounded up to the next fp16 so that
    absmax itself still fits. Then |w - q * scale| <= scale / 2 everywhere, and quantising the result
    again changes nothing. A group of zeros has scale 0.

    >>> quantize_int8(torch.tensor([[127.0, -2.6]]), group_size=2)[0]
    tensor([[127,  -3]], dtype=torch.int8)
    """
    groups = _grouped(weight.detach().float(), group_size)  # [out, G, group]
    absmax = groups.abs().amax(dim=-1)  # [out, G]
    assert bool((absmax <= MAX_ABS).all()), "weights must be finite and at most MAX_ABS"
    scale = _fp16_not_below(absmax / LEVELS)
    divisor = scale.float().masked_fill(scale == 0, 1.0).unsqueeze(-1)  # [out, G, 1]
    q = (groups / divisor).round().clamp(-LEVELS, LEVELS).to(torch.int8)
    return q.view(weight.shape), scale


def dequantize_int8(q: Tensor, scale: Tensor) -> Tensor:
    """q int8 [out, in], scale [out, G] -> fp32 [out, in]."""
    groups = _grouped(q, q.shape[-1] // scale.shape[-1])  # [out, G, group]
    return (groups.float() * scale.float().unsqueeze(-1)).view(q.shape)


def can_quantize(weight: Tensor, group_size: int = GROUP_SIZE) -> bool:
    """Whether the shape is one that checkpoints store as int8: a matrix of whole groups."""
    return weight.dim() == 2 and weight.shape[-1] % group_size == 0


def _grouped(matrix: Tensor, group_size: int) -> Tensor:
    assert matrix.dim() == 2 and matrix.shape[-1] % group_size == 0, (
        f"{tuple(matrix.shape)} is not a matrix of whole groups of {group_size}"
    )
    return matrix.reshape(matrix.shape[0], -1, group_size)


def _fp16_not_below(x: Tensor) -> Tensor:
    """The smallest fp16 >= x, for x >= 0. Bits of positive floats are ordered like integers."""
    nearest = x.half()
    return torch.where(nearest.float() < x, (nearest.view(torch.int16) + 1).view(torch.float16), nearest)
