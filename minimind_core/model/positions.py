"""Positions without rotation: sinusoidal vectors added to the embedding, ALiBi penalties added to the scores.

Rotation is in `rope.py`; learned positions are an embedding of the model itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BASE = 10_000.0
AMPLITUDE = 0.02
"""Scaled down to the size of freshly initialised token vectors; at 1 they would drown them."""


def sinusoidal_embedding(positions: Tensor, hidden_size: int) -> Tensor:
    """Fixed sine and cosine vectors (Vaswani et al. 2017): sines in the even columns, cosines in the odd.

    positions [...] int -> [..., hidden_size] fp32.
    """
    pairs = torch.arange(0, hidden_size, 2, device=positions.device)
    angles = positions[..., None].float() * torch.exp(pairs * (-math.log(BASE) / hidden_size))
    return AMPLITUDE * torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def alibi_slopes(num_heads: int) -> Tensor:
    """One slope a head, 2^(-8h/num_heads) for a power of two (Press et al. 2021). Returns [num_heads].

    Other counts take every second slope of the next power of two after those of the one below.
    """
    power = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    finer = [2 ** (-4 * (head + 1) / power) for head in range(0, 2 * (num_heads - power), 2)]
    return torch.tensor(slopes + finer)


def alibi_bias(slopes: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Penalty on the scores that grows with distance.

    slopes [num_heads], query_positions [B or 1, T], key_positions [B or 1, S] -> [B or 1, num_heads, T, S].
    """
    distance = query_positions[:, None, :, None] - key_positions[:, None, None, :]
    return -slopes[:, None, None] * distance
