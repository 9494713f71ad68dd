"""The formula side of Question 6: bytes exactly, the byte model of a decode step, capacity. No torch.

The byte model says that a step takes at least the time to read all weights once and each sequence's
cache once: (weights + batch * cache) / bandwidth. In a ratio of two variants the bandwidth and the width
of a number cancel, as long as weights and cache have the same width. It knows nothing of arithmetic and
of the time to launch a kernel, which is why a measured ratio lies below it.
"""

from __future__ import annotations

import math
from typing import Any

from labs.contract.columns import Result
from labs.q06_gqa.params import BITS, QUERY_HEADS, CacheParams, DecodeParams, LayerParams, WiringParams
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import (
    attention_flops_per_pair,
    forward_flops,
    kv_cache_bytes,
    num_parameters,
    weight_bytes,
)

VARIANTS = {"mha": 8, "gqa": 2, "mqa": 1}
"""KV heads of the three by name."""
SHARED = ("gqa", "mqa")
SAID_SPEEDUP = 4.0
"""What most people answer for GQA-2 at batch 1: the ratio of the caches."""
CURVE = tuple(2**power for power in range(11))
"""Batches of the byte model's line."""
BYTE_TABLE = (1, 512, 2048, 8192, 32_768)
MEGA, MEBI, GIGA = 10**6, 2**20, 10**9
PREFILL = 512


def shape(kv_heads: int) -> ModelConfig:
    """The 26M with that many KV heads.

    >>> num_parameters(shape(8))
    28975616
    """
    return ModelConfig(num_kv_heads=kv_heads)


def cache_bytes(kv_heads: int, tokens: int, batch: int = 1, bits: int = 16) -> int:
    """Keys and values of all layers, without the scales of a quantised cache.

    >>> cache_bytes(8, 2048), cache_bytes(2, 2048), cache_bytes(1, 2048)
    (33554432, 8388608, 4194304)
    """
    return kv_cache_bytes(shape(kv_heads), batch, tokens, 1) * bits // 8


def step_bytes(kv_heads: int, tokens: int, batch: int, bits: int = 16) -> int:
    """What a decode step has to read: every weight once, and the cache of every sequence."""
    return num_parameters(shape(kv_heads)) * bits // 8 + cache_bytes(kv_heads, tokens, batch, bits)


def speedup(kv_heads: int, tokens: int, batch: int) -> float:
    """The byte model's decode speed over that of 8 KV heads.

    >>> round(speedup(2, 2048, 1), 2), round(speedup(2, 2048, 1024), 2)
    (1.52, 3.98)
    """
    return step_bytes(QUERY_HEADS, tokens, batch) / step_bytes(kv_heads, tokens, batch)


def bounds(tokens: int, batches: list[int], bandwidth: float, bits: int) -> dict[str, dict[str, float]]:
    """Tokens a second that the byte model allows at so many bytes a second, by variant and batch."""
    return {
        name: {str(batch): batch * bandwidth / step_bytes(heads, tokens, batch, bits) for batch in batches}
        for name, heads in VARIANTS.items()
    }


def break_even_batch(kv_heads: int, tokens: int) -> float:
    """The batch whose caches weigh as much as the weights of the 26M, both in 16 bits.

    >>> [round(break_even_batch(heads, 2048), 1) for heads in (8, 2, 1)]
    [1.5, 6.2, 12.3]
    """
    return weight_bytes(shape(2)) / cache_bytes(kv_heads, tokens)


def capacity(kv_heads: int, tokens: int, card_gb: float, bits: int = 16) -> int:
    """Whole sequences that fit on a card beside 16-bit weights of the 26M.

    >>> capacity(2, 2048, 80)
    9530
    """
    free = card_gb * GIGA - weight_bytes(shape(2))
    return max(0, math.floor(free / cache_bytes(kv_heads, tokens, 1, bits)))


def latent_elements(latent: int, rope: int) -> int:
    """Numbers a token and layer that multi-head latent attention caches: d_c + d_r, shared by all heads.

    >>> latent_elements(4 * 64, 32), latent_elements(512, 64)
    (288, 576)
    """
    return latent + rope


def decode(params: DecodeParams) -> Result:
    """The byte model over `CURVE`: speed over MHA, break-even batches and the limit of the ratio.

    `speedup` and `limit` by "gqa", "mqa"; in `speedup` then by batch as a text, so that a path names it.
    """
    tokens = params.tokens
    return {
        "tokens": tokens,
        "batches": list(CURVE),
        "said": SAID_SPEEDUP,
        "speedup": {
            name: {str(batch): speedup(VARIANTS[name], tokens, batch) for batch in CURVE} for name in SHARED
        },
        "weight_bytes": {name: weight_bytes(shape(heads)) for name, heads in VARIANTS.items()},
        "cache_bytes": {name: cache_bytes(heads, tokens) for name, heads in VARIANTS.items()},
        "break_even": {name: break_even_batch(heads, tokens) for name, heads in VARIANTS.items()},
        "limit": {name: QUERY_HEADS / VARIANTS[name] for name in SHARED},
    }


def cache(params: CacheParams) -> Result:
    """The bytes asked for, the whole table, capacities, operations and the row of latent attention."""
    bits, kv_heads, tokens = BITS[params.cache_type], params.kv_heads, params.tokens
    total = cache_bytes(kv_heads, tokens, params.batch, bits)
    full = cache_bytes(QUERY_HEADS, tokens, params.batch, bits)
    return {
        **sizes(total),
        "per_token": cache_bytes(kv_heads, 1, 1, bits),
        "saved": 1 - total / full,
        "weights_bytes": weight_bytes(shape(kv_heads)),
        "kv_heads": kv_heads,
        "batch": params.batch,
        "tokens": tokens,
        "cache_type": params.cache_type,
        "needs_scales": bits < 16,
        "parameters": {str(heads): num_parameters(shape(heads)) for heads in (8, 4, 2, 1)},
        "table": [
            {
                "tokens": length,
                **{str(heads): cache_bytes(heads, length, params.batch, bits) for heads in (8, 4, 2, 1)},
            }
            for length in BYTE_TABLE
        ],
        "capacity": {str(heads): capacity(heads, tokens, params.card_gb, bits) for heads in (8, 4, 2, 1)},
        "gigaflops": _operations(kv_heads),
        "latent": _latent_row(bits, tokens, params.batch),
    }


def sizes(total: int) -> dict[str, Any]:
    """One number of bytes in the two units that are mixed up."""
    return {"bytes": total, "megabytes": total / MEGA, "mebibytes": total / MEBI}


def wiring(params: WiringParams) -> Result:
    """Which KV head each query head has to read, and which it reads after `tensor.repeat`."""
    group = QUERY_HEADS // params.kv_heads
    return {
        "grouped": [head // group for head in range(QUERY_HEADS)],
        "tiled": [head % params.kv_heads for head in range(QUERY_HEADS)],
    }


def layer(params: LayerParams) -> Result:
    """Bytes that each way has to move for one layer, in units of what plain MHA moves."""
    share = params.kv_heads / QUERY_HEADS
    repeated = share if params.kv_heads == QUERY_HEADS else share + 1 + 1  # read, write all, read all
    return {"traffic": {"mha": 1.0, "native": share, "grouped": share, "repeat": repeated}}


def _operations(kv_heads: int) -> dict[str, float]:
    config = shape(kv_heads)
    return {
        "prefill": forward_flops(config, 1, PREFILL) / GIGA,
        "prefill_tokens": PREFILL,
        "scores": attention_flops_per_pair(config) * PREFILL**2 / GIGA,
    }


def _latent_row(bits: int, tokens: int, batch: int) -> dict[str, Any]:
    """DeepSeek-V2's proportions (a latent of four heads, half a head for RoPE) at our width."""
    config = shape(2)
    elements = latent_elements(4 * config.head_dim, config.head_dim // 2)
    return {
        "elements": elements,
        "gqa_elements": 2 * config.num_kv_heads * config.head_dim,
        **sizes(elements * config.num_layers * tokens * batch * bits // 8),
    }
