"""How far a run goes on this device, and the sentences for what it cannot hold. Imports torch.

A CPU runs live up to 2,048 cached tokens and a batch of 32; beyond that the formula speaks alone and
the result says so.
"""

from __future__ import annotations

import torch

from labs.q06_gqa.analytic import GIGA, VARIANTS, cache_bytes
from labs.q06_gqa.decoding import available_bytes
from labs.q06_gqa.params import BATCHES, COMPUTED_ONLY, CacheParams
from minimind_core.errors import ConfigError

CPU_TOKENS, CPU_BATCH = 2048, 32
CPU_PREFILL_TOKENS = 4096
QUICK_BATCH = {"cpu": 4, "cuda": 512, "mps": 16}
SHARE = 0.6
"""Of the free memory that batches chosen by us may take."""


def cached_tokens(asked: int, device: str) -> int:
    """The cached tokens of a live run."""
    return asked if device == "cuda" else min(asked, CPU_TOKENS)


def check_live_type(cache_type: str) -> None:
    """Raise ConfigError for a type that no tensor here has."""
    if cache_type in COMPUTED_ONLY:
        raise ConfigError("8- and 4-bit caches are computed, not run, in this lab.", key="q06.computed_only")


def check_cache(needed: int, device: str) -> None:
    """Raise ConfigError for a cache larger than what this device has left."""
    available = available_bytes(device)
    if available is not None and needed > available:
        raise ConfigError(
            f"This cache needs {needed / GIGA:.1f} GB; this device has "
            f"{available / GIGA:.1f} GB. Lower batch or length.",
            key="q06.cache_too_large",
            needed=needed / GIGA,
            available=available / GIGA,
        )


def decode_batches(max_batch: int, tokens: int, device: str, dtype: torch.dtype) -> list[int]:
    """The batches of the curve. Raises ConfigError if the largest that was asked for does not fit."""
    limit = max_batch or QUICK_BATCH.get(device, QUICK_BATCH["cpu"])
    if device != "cuda":
        limit = min(limit, CPU_BATCH)
    batches = [batch for batch in BATCHES if batch <= limit]
    if max_batch:
        check_cache(_all_caches(tokens, batches[-1], dtype), device)
        return batches
    available = available_bytes(device)
    room = SHARE * available if available is not None else float("inf")
    return [batch for batch in batches if batch == 1 or _all_caches(tokens, batch, dtype) <= room]


def prefill_rows(params: CacheParams, device: str) -> int:
    """The rows that are really read; a CPU reads as many as it can in a few seconds."""
    if device == "cuda":
        return params.batch
    affordable = CPU_PREFILL_TOKENS // cached_tokens(params.tokens, device)
    return min(params.batch, CPU_BATCH, affordable)


def _all_caches(tokens: int, batch: int, dtype: torch.dtype) -> int:
    """Bytes of the three variants' caches, which exist at the same time."""
    return sum(cache_bytes(heads, tokens, batch, 8 * dtype.itemsize) for heads in VARIANTS.values())
