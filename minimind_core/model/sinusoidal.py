"""Fixed sine and cosine position vectors, added to the embedding (Vaswani et al. 2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BASE = 10_000.0
AMPLITUDE = 0.02
"""Scaled down to the size of freshly initialised token vectors; at 1 they would drown them."""


def sinusoidal_embedding(positions: Tensor, hidden_size: int) -> Tensor:
    """positions [...] int -> [..., hidden_size] fp32: sines in the even columns, cosines in the odd."""
    pairs = torch.arange(0, hidden_size, 2, device=positions.device)
    angles = positions[..., None].float() * torch.exp(pairs * (-math.log(BASE) / hidden_size))
    return AMPLITUDE * torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
