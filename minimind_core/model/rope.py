"""Rotary position embedding (Su et al. 2021) and its stretched frequencies: PI, NTK, YaRN.

Pairs dimension i with i + head_dim/2 (half-split), as Llama checkpoints do. Angles are always
computed in fp32: in bf16 the positions above 256 merge with their neighbours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from minimind_core.model.config import ModelConfig, RopeScaling


def plain_inv_freq(head_dim: int, theta: float) -> Tensor:
    """Angle a position for each pair, theta^(-2j/head_dim). Returns float64 [head_dim/2], first entry 1."""
    return theta ** -(torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)


def scaled_inv_freq(head_dim: int, theta: float, scaling: RopeScaling | None) -> tuple[Tensor, float]:
    """Frequencies after stretching, and the factor that multiplies cos and sin.

    `pi` divides every frequency by the factor (Chen et al. 2023); `ntk` raises the base so that only
    the slowest pair is divided by it (community, 2023); `yarn` keeps fast pairs, divides slow ones,
    joins them by a ramp and sharpens attention by 0.1 ln(factor) + 1 (Peng et al. 2023).
    Returns float64 [head_dim/2] and a float.
    """
    plain = plain_inv_freq(head_dim, theta)
    if scaling is None:
        return plain, 1.0
    attention_factor = 1.0 if scaling.attention_factor is None else scaling.attention_factor
    if scaling.kind == "pi":
        return plain / scaling.factor, attention_factor
    if scaling.kind == "ntk":
        stretched_theta = theta * scaling.factor ** (head_dim / (head_dim - 2))
        return plain_inv_freq(head_dim, stretched_theta), attention_factor
    if scaling.attention_factor is None:
        attention_factor = 0.1 * math.log(scaling.factor) + 1.0
    keep = yarn_keep_share(head_dim, theta, scaling)
    return plain * (keep + (1 - keep) / scaling.factor), attention_factor


def yarn_keep_share(head_dim: int, theta: float, scaling: RopeScaling) -> Tensor:
    """Share of each pair that YaRN leaves alone: 1 for fast pairs, 0 for slow ones, a ramp between.

    A pair is fast when it turns more than `beta_fast` times within the original length, slow when
    fewer than `beta_slow` times. Returns float64 [head_dim/2].
    """

    def pair_with_turns(turns: float) -> float:
        return head_dim * math.log(scaling.original_length / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair_with_turns(scaling.beta_fast)), 0)
    high = min(math.ceil(pair_with_turns(scaling.beta_slow)), head_dim - 1)
    width = max(high - low, 0.001)  # low == high would divide by zero
    ramp = (torch.arange(head_dim // 2, dtype=torch.float64) - low) / width
    return 1 - ramp.clamp(0, 1)


def rotate_half(x: Tensor) -> Tensor:
    """[..., x1, x2] -> [..., -x2, x1], the quarter turn of every pair (i, i + D/2). Same shape."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x [..., T, D] by cos, sin (broadcastable to it). Norms do not change; keeps x's dtype."""
    return (x * cos + rotate_half(x) * sin).to(x.dtype)


def _turns(angles: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """cos and sin of the angles, times the factor."""
    return angles.cos() * factor, angles.sin() * factor


@torch.library.custom_op("minimind::turns", mutates_args=())
def turns(angles: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """The same as one operation to the compiler, which computes it once and reads it afterwards.

    Inductor would put cosine and sine into each kernel that turns something, for every head of every layer,
    forward and backward, where they take longer than the memory that those kernels move.
    """
    return _turns(angles, factor)


@turns.register_fake
def _(angles: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    return torch.empty_like(angles), torch.empty_like(angles)


class RotaryEmbedding(nn.Module):
    """Turns positions into cos and sin. Holds no weights, so nothing of it is in a checkpoint."""

    inv_freq: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        frequencies, self.attention_factor = self._frequencies()
        self.register_buffer("inv_freq", frequencies, persistent=False)

    def _frequencies(self) -> tuple[Tensor, float]:
        config = self.config
        inv_freq, factor = scaled_inv_freq(config.head_dim, config.rope_theta, config.rope_scaling)
        return inv_freq.float(), factor

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        """Move with the model, but stay in fp32 when the model is cast to bf16 or fp16."""
        super()._apply(fn, recurse)
        if not self.inv_freq.is_meta:
            self.inv_freq = self._frequencies()[0].to(self.inv_freq.device)
        return self

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """positions [..., T] int -> cos, sin [..., 1, T, head_dim] fp32 (the 1 is the head axis)."""
        angles = positions[..., None].float() * self.inv_freq  # [..., T, D/2]
        angles = torch.cat((angles, angles), dim=-1).unsqueeze(-3)  # [..., 1, T, D]
        turned = turns if angles.is_cuda and torch.compiler.is_compiling() else _turns
        return turned(angles, self.attention_factor)
