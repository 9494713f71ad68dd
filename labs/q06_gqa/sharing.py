"""The ways to let several query heads read one KV head: repeated, tiled (the bug), native, grouped product.

All compute one decode step of one attention layer, without projections. Times nothing.

Shapes: B rows, H query heads, K KV heads, n = H / K, S cached tokens, D head_dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.contract import Numbers
from minimind_core.model.attention import attend
from minimind_core.model.config import ModelConfig

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def repeat_kv(x: Tensor, n_rep: int) -> Tensor:
    """Copies of a head side by side: [B, K, S, D] -> [B, K * n_rep, S, D].

    `expand` is a view; the flattening after it copies. With n_rep 1 this is `x` itself.
    """
    return x if n_rep == 1 else x[:, :, None].expand(-1, -1, n_rep, -1, -1).flatten(1, 2)


def tile_kv(x: Tensor, n_rep: int) -> Tensor:
    """The bug: all heads, then all heads again. [B, K, S, D] -> [B, K * n_rep, S, D]."""
    return x.repeat(1, n_rep, 1, 1)


def attend_repeated(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """queries [B, H, 1, D] over keys, values [B, K, S, D], whose heads are written out H times."""
    n_rep = queries.shape[1] // keys.shape[1]
    return F.scaled_dot_product_attention(queries, repeat_kv(keys, n_rep), repeat_kv(values, n_rep))


def attend_tiled(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The same with the heads in the wrong order."""
    n_rep = queries.shape[1] // keys.shape[1]
    return F.scaled_dot_product_attention(queries, tile_kv(keys, n_rep), tile_kv(values, n_rep))


def attend_native(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The kernel knows about groups."""
    shared = queries.shape[1] != keys.shape[1]
    return F.scaled_dot_product_attention(queries, keys, values, enable_gqa=shared)


def attend_grouped(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Products written out over the packed group, as the core's eager attention does it."""
    everything = torch.ones(1, 1, 1, keys.shape[2], dtype=torch.bool, device=keys.device)
    return attend(queries, keys, values, everything, "eager")


SHARED_WAYS: dict[str, Attention] = {
    "native": attend_native,
    "grouped": attend_grouped,
    "repeat": attend_repeated,
}


def decode_inputs(
    kv_heads: int, batch: int, tokens: int, seed: int, device: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Unit-normal queries [B, H, 1, D], keys and values [B, K, S, D] of the 26M's width."""
    config = ModelConfig()
    random = torch.Generator(device).manual_seed(seed)

    def normal(heads: int, length: int) -> Tensor:
        size = batch, heads, length, config.head_dim
        return torch.randn(size, generator=random, device=device, dtype=dtype)

    return normal(config.num_heads, 1), normal(kv_heads, tokens), normal(kv_heads, tokens)


def sentinel_reads(attention: Attention, kv_heads: int, tokens: int, device: str) -> list[int]:
    """Which KV head each query head reads: the values of head j are all j, so the output says it."""
    queries, keys, values = decode_inputs(kv_heads, 1, tokens, 0, device, torch.float32)
    values = torch.arange(kv_heads, device=device, dtype=torch.float32)[None, :, None, None].expand_as(values)
    output = attention(queries, keys, values.contiguous())  # [1, H, 1, D]
    return [round(head) for head in output[0, :, 0, 0].tolist()]


def largest_differences(inputs: tuple[Tensor, Tensor, Tensor]) -> Numbers:
    """The largest difference of each other way's output from repetition, on the same inputs."""
    repeated = attend_repeated(*inputs)
    return {
        name: float((way(*inputs) - repeated).abs().max())
        for name, way in SHARED_WAYS.items()
        if name != "repeat"
    }
