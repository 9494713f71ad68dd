"""What Question 6's experiments share: numbers of KV heads, the bytes of their caches, and what fits where.

The model is always the 26M's shape. A CPU runs live up to 2,048 cached tokens and a batch of 32; beyond that
the formula speaks alone, and a result says how much was run. Imports no torch.

The byte model: a decode step takes at least the time to read all weights once and each sequence's cache
once, (weights + batch * cache) / bandwidth. In a ratio of two variants the bandwidth and the width of a
number cancel, as long as weights and cache have the same width.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from labs.contract import Numbers
from labs.contract.fields import METADATA_KEY, Number, ParamError, choice
from labs.tools.budgets import PerDevice, free_bytes
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import kv_cache_bytes, num_parameters, weight_bytes

QUERY_HEADS = 8
VARIANTS = {"mha": 8, "gqa": 2, "mqa": 1}
"""KV heads by the variant's name."""
SHARED = ("gqa", "mqa")
SYMBOLS = {"mha": "circle", "gqa": "square", "mqa": "diamond"}
"""How a variant's points are marked in every figure."""
BITS = {"fp32": 32, "bf16": 16, "fp16": 16, "int8": 8, "int4": 4}
"""Bits of one cached number, without the scales of the quantised types."""
MEGA, GIGA = 10**6, 10**9

CURVE = tuple(2**power for power in range(11))
"""Batches of the byte model's line."""

ByBatch = dict[str, Numbers]
"""A number by variant, then by batch as text, so that a path names it."""

MAX_TOKENS, MAX_BATCH = 32_768, 1024
LIVE_TOKENS = PerDevice(cpu=2048, cuda=MAX_TOKENS)
LIVE_BATCH = PerDevice(cpu=32, cuda=MAX_BATCH)
"""The most that a live run caches of what can be asked for."""

WHOLE_TOKENS = "The cache length must be a whole number from 1 to 32,768."


class ByteModel(TypedDict):
    """Decode speed over MHA over `CURVE`, and the batch whose caches weigh as much as the weights."""

    speedup: ByBatch
    break_even: Numbers


@dataclass(frozen=True, kw_only=True)
class _CacheLength(Number):
    """A number of cached tokens. Half a token, and more than the position table has, have their sentences."""

    def parse(self, value: Any) -> int | float:
        """See Field."""
        try:
            return super().parse(value)
        except ParamError:
            raise ParamError("kind", self.name, WHOLE_TOKENS, key="q06.tokens") from None

    def check(self, value: int | float) -> None:
        """See Field."""
        if value > MAX_TOKENS:
            raise ParamError(
                "high",
                self.name,
                "The position table ends at 32,768 tokens.",
                key="q06.tokens.table",
                limit=MAX_TOKENS,
            )
        super().check(value)


def head_count() -> Any:
    """A field for a number of KV heads."""
    sentence = "8 query heads cannot be split evenly over {given} KV heads. Pick 1, 2, 4 or 8."
    return choice(2, (1, 2, 4, 8), primary=True, sentence=sentence)


def cache_length(default: int = 2048, *, primary: bool = True) -> Any:
    """A field for the number of cached tokens."""
    length = _CacheLength(
        default=default,
        minimum=1,
        maximum=MAX_TOKENS,
        step=1,
        whole=True,
        unit="tokens",
        primary=primary,
        sentence=WHOLE_TOKENS,
    )
    return dataclasses.field(default=default, metadata={METADATA_KEY: length})


def shape(kv_heads: int) -> ModelConfig:
    """The 26M with that many KV heads."""
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


def bounds(tokens: int, batches: Sequence[int], bandwidth: float, bits: int) -> ByBatch:
    """Tokens a second that the byte model allows at so many bytes a second."""
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


def byte_model(tokens: int) -> ByteModel:
    """The byte model's side at a cache length."""
    return {
        "speedup": {
            name: {str(batch): speedup(VARIANTS[name], tokens, batch) for batch in CURVE} for name in SHARED
        },
        "break_even": {name: break_even_batch(heads, tokens) for name, heads in VARIANTS.items()},
    }


def capacity(kv_heads: int, tokens: int, card_gb: float, bits: int = 16) -> int:
    """Whole sequences that fit on a card beside 16-bit weights of the 26M.

    >>> capacity(2, 2048, 80)
    9530
    """
    free = card_gb * GIGA - weight_bytes(shape(2))
    return max(0, math.floor(free / cache_bytes(kv_heads, tokens, 1, bits)))


def cached_tokens(asked: int, device: str) -> int:
    """The cached tokens of a live run, of so many asked for."""
    return min(asked, LIVE_TOKENS.on(device))


def check_cache(needed: int, device: str) -> None:
    """Raise ConfigError for a cache of more bytes than this device has left."""
    available = free_bytes(device)
    if available is not None and needed > available:
        raise ConfigError(
            f"This cache needs {needed / GIGA:.1f} GB; this device has "
            f"{available / GIGA:.1f} GB. Lower batch or length.",
            key="q06.cache_too_large",
            needed=needed / GIGA,
            available=available / GIGA,
        )
