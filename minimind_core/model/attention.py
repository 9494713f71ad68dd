"""Scaled dot-product attention with shared key/value heads, fused and written out.

Does not know about caches, positions or RoPE: it gets queries, keys, values and who may look where.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

AttentionKind = Literal["sdpa", "eager"]


def causal_visibility(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Who may look where, by position: keys that are not later and not empty (negative).

    Padding queries (negative) look everywhere: a row without any key would be NaN, and NaN values
    reach real tokens even through a weight of zero.
    query_positions [B or 1, T], key_positions [B or 1, S] -> bool [B or 1, 1, T, S].
    """
    keys, queries = key_positions[:, None, None, :], query_positions[:, None, :, None]
    return ((keys <= queries) & (keys >= 0)) | (queries < 0)


def alibi_slopes(num_heads: int) -> Tensor:
    """One slope a head, 2^(-8h/num_heads) for a power of two (Press et al. 2021). Returns [num_heads].

    Other counts take every second slope of the next power of two after those of the one below.
    """
    power = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    finer = [2 ** (-4 * (head + 1) / power) for head in range(0, 2 * (num_heads - power), 2)]
    return torch.tensor(slopes + finer)


def alibi_bias(slopes: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Penalty on the scores that grows with distance: [B or 1, num_heads, T, S]."""
    distance = query_positions[:, None, :, None] - key_positions[:, None, None, :]
    return -slopes[:, None, None] * distance


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, kind: AttentionKind) -> Tensor:
    """softmax(q k^T / sqrt(D) + mask) v with num_heads a multiple of num_kv_heads.

    queries [B, num_heads, T, D]; keys, values [B, num_kv_heads, S, D]; mask None for plain causal
    attention with T == S, else bool (True = look) or additive, broadcastable to [B, num_heads, T, S].
    Returns [B, num_heads, T, D].
    """
    if mask is None and kind == "sdpa":
        grouped = queries.shape[1] != keys.shape[1]
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=grouped)
    if mask is None:
        length = queries.shape[2]
        mask = torch.ones(1, 1, length, length, dtype=torch.bool, device=queries.device).tril()
    packed, packed_mask = _pack_group(queries, keys.shape[1], mask)
    if kind == "sdpa":
        attended = F.scaled_dot_product_attention(packed, keys, values, attn_mask=packed_mask)
    else:
        attended = _written_out(packed, keys, values, packed_mask)
    return attended.reshape(queries.shape)  # a compiled kernel may lay the heads out otherwise


def _pack_group(queries: Tensor, num_kv_heads: int, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Let the group be part of the query length, so that a shared head is never copied.

    queries [B, H, T, D] -> [B, K, H/K * T, D]; the mask likewise, [B or 1, 1 or K, H/K * T, S].
    """
    batch, num_heads, length, head_dim = queries.shape
    group = num_heads // num_kv_heads
    packed = queries.reshape(batch, num_kv_heads, group * length, head_dim)
    if mask.shape[1] == 1:  # the same for all heads
        mask = mask.expand(-1, group, -1, -1)
    return packed, mask.reshape(mask.shape[0], -1, group * length, mask.shape[-1])


def _written_out(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Every product as its own operation, so that FlopCounterMode and a compiler see it all."""
    scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5  # [B, K, H/K * T, S]
    scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.float().softmax(dim=-1).to(values.dtype) @ values
