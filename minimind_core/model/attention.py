"""Scaled dot-product attention with shared key/value heads: who may look where, and the ways to compute it.

`attend` chooses among torch's fused kernel, our kernel for a plain decode step (`decode_attention.py`) and
plain products written out. It knows neither a cache nor RoPE: it is given queries, keys and values.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_core.model import decode_attention

AttentionKind = Literal["sdpa", "eager"]


class NewestToken(NamedTuple):
    """What a plain decode step sees: one new token a row, and every token before it in the cache."""

    key_positions: Tensor  # [B, S], negative where a slot is empty
    position: Tensor  # [B]
    slot: Tensor  # [B], the last one filled


Visible: TypeAlias = Tensor | NewestToken | None
"""Which keys the queries may look at: a mask [B or 1, 1 or H, T, S], bool (True = look) or additive; or the
newest token of a plain decode step; None is plain causal attention among T new tokens."""


def causal_visibility(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Who may look where, by position: keys that are not later and not empty (negative).

    Padding queries (negative) look everywhere: a row without any key would be NaN, and NaN values
    reach real tokens even through a weight of zero.
    query_positions [B or 1, T], key_positions [B or 1, S] -> bool [B or 1, 1, T, S].
    """
    keys, queries = key_positions[:, None, None, :], query_positions[:, None, :, None]
    return ((keys <= queries) & (keys >= 0)) | (queries < 0)


def has_step_kernel(
    kind: AttentionKind, device: torch.device, dtype: torch.dtype, group_size: int, head_dim: int
) -> bool:
    """Whether `attend` can take a `NewestToken` here, instead of a mask."""
    return kind == "sdpa" and decode_attention.is_available(device, dtype, group_size, head_dim)


def attend(queries: Tensor, keys: Tensor, values: Tensor, visible: Visible, kind: AttentionKind) -> Tensor:
    """softmax(q k^T / sqrt(D) + mask) v with num_heads a multiple of num_kv_heads.

    queries [B, num_heads, T, D]; keys, values [B, num_kv_heads, S, D], S == T where `visible` is None.
    Returns [B, num_heads, T, D].
    """
    if isinstance(visible, NewestToken):
        return decode_attention.decode_attention(queries, keys, values, *visible)
    if visible is None and kind == "sdpa":
        grouped = queries.shape[1] != keys.shape[1]
        if grouped and not fuses_shared_heads(queries.device.type, queries.dtype):
            group, grouped = queries.shape[1] // keys.shape[1], False
            keys, values = (each.repeat_interleave(group, dim=1) for each in (keys, values))
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=grouped)
    if visible is None:
        length = queries.shape[2]
        visible = torch.ones(1, 1, length, length, dtype=torch.bool, device=queries.device).tril()
    packed, packed_mask = _pack_group(queries, keys.shape[1], visible)
    if kind == "sdpa":
        attended = F.scaled_dot_product_attention(packed, keys, values, attn_mask=packed_mask)
    else:
        attended = _written_out(packed, keys, values, packed_mask)
    return attended.reshape(queries.shape)  # a compiled kernel may lay the heads out otherwise


def fuses_shared_heads(device: str, dtype: torch.dtype) -> bool:
    """Whether torch has a fused kernel there that reads a shared head without a copy.

    On CUDA only FlashAttention does, and it knows 16 bits. `enable_gqa` in FP32 falls back to products that
    write all scores, in silence: on an H200 at 4,096 tokens 2.6 ms and 1.3 GB, with copied heads 0.8 ms and
    25 MB (torch 2.11).
    """
    return device != "cuda" or dtype in (torch.float16, torch.bfloat16)


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
