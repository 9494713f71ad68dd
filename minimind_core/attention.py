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
    if kind == "eager":
        return _eager(queries, keys, values, mask)
    if mask is None:
        grouped = queries.shape[1] != keys.shape[1]
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=grouped)
    return _packed(queries, keys, values, mask)


def _packed(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Let the group be part of the query length, so that no kernel ever copies a shared head."""
    batch, num_heads, length, head_dim = queries.shape
    num_kv_heads, group = keys.shape[1], num_heads // keys.shape[1]
    queries = queries.reshape(batch, num_kv_heads, group * length, head_dim)
    if mask.shape[1] == 1:  # the same for all heads: [B, 1, T, S] -> [B, 1, group * T, S]
        mask = mask.expand(-1, group, -1, -1).reshape(mask.shape[0], 1, group * length, -1)
    else:  # one a query head: [B, num_heads, T, S] -> [B, num_kv_heads, group * T, S]
        mask = mask.reshape(mask.shape[0], num_kv_heads, group * length, -1)
    attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    return attended.view(batch, num_heads, length, head_dim)


def _eager(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Every product written out, so that FlopCounterMode and forward hooks see it all."""
    length = queries.shape[2]
    if mask is None:
        mask = torch.ones(length, length, dtype=torch.bool, device=queries.device).tril()
    group = queries.shape[1] // keys.shape[1]
    keys, values = repeat_kv(keys, group), repeat_kv(values, group)
    scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5  # [B, num_heads, T, S]
    scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return scores.float().softmax(dim=-1).to(values.dtype) @ values


def repeat_kv(x: Tensor, group: int) -> Tensor:
    """Copy each KV head for its `group` query heads: [B, num_kv_heads, S, D] -> [B, num_heads, S, D].

    Query head h reads KV head h // group.
    """
    if group == 1:
        return x
    batch, num_kv_heads, length, head_dim = x.shape
    expanded = x[:, :, None].expand(batch, num_kv_heads, group, length, head_dim)
    return expanded.reshape(batch, num_kv_heads * group, length, head_dim)
