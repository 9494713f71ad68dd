"""One rotation in four arithmetics and two pairings, with the core's own `apply_rope`. Imports torch.

Products are summed in float64 on the CPU, so that only the rotation is on trial. Shapes: N vectors,
M positions, D head_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor

from minimind_core.model.rope import apply_rope

DTYPES = {
    "fp64": (torch.float64, torch.float64),
    "fp32": (torch.float32, torch.float32),
    "bf16_values": (torch.float32, torch.bfloat16),
    "bf16_angles": (torch.bfloat16, torch.bfloat16),
}
"""Type of the angles and of the values, by arithmetic."""


def place_of(arithmetic: str, device: str) -> str:
    """The device that can do it: Apple's GPUs have no float64."""
    return "cpu" if device == "mps" and arithmetic == "fp64" else device


def rotated(x: Tensor, positions: Tensor, inv_freq: Tensor, arithmetic: str, device: str) -> Tensor:
    """x [N, D], positions [M], inv_freq [D/2], all float64 on the CPU -> [M, N, D], likewise.

    Computed on `device` as code does it: the angle is a product in its type, then cosine and sine.
    """
    angle_type, value_type = DTYPES[arithmetic]
    place = place_of(arithmetic, device)
    angles = positions.to(angle_type).to(place)[:, None] * inv_freq.to(angle_type).to(place)  # [M, D/2]
    angles = torch.cat((angles, angles), -1)[:, None]  # [M, 1, D]
    cos, sin = angles.cos().to(value_type), angles.sin().to(value_type)
    return apply_rope(x.to(value_type).to(place)[None], cos, sin).cpu().double()


def scores(
    queries: Tensor,
    keys: Tensor,
    starts: Tensor,
    distance: int,
    inv_freq: Tensor,
    arithmetic: str,
    device: str,
) -> Tensor:
    """score(m, m + distance) for each of the starts [M] and pairs of vectors [N, D] -> [M, N] float64."""
    turned = (
        rotated(x, positions, inv_freq, arithmetic, device)
        for x, positions in ((queries, starts), (keys, starts + distance))
    )
    first, second = turned
    return (first * second).sum(-1)


def interleaved_scores(queries: Tensor, keys: Tensor, start: int, distance: int, inv_freq: Tensor) -> Tensor:
    """The same at one start in float64, with neighbours as pairs, (0, 1), (2, 3), ..., as in the paper."""

    def turned(x: Tensor, position: int) -> Tensor:
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())  # [N, D/2]
        return pairs * torch.polar(torch.ones_like(inv_freq), position * inv_freq)

    product = turned(queries, start) * turned(keys, start + distance).conj()
    return product.real.sum(-1)


def to_interleaved(x: Tensor) -> Tensor:
    """Move dimension i beside i + D/2, where the other pairing looks for it. [N, D] -> [N, D]."""
    first, second = x.chunk(2, -1)
    return torch.stack((first, second), -1).flatten(-2)  # [N, D/2, 2] -> [N, D]
