"""The claims of Question 6 that follow from counting, recomputed. Its other claims: `claims_core.py`.

Written out in integers rather than with `minimind_core.model.cost`, so that the two can disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from labs.claims.checks import Check, given_whole
from labs.contract import Counts, Numbers
from labs.q06_gqa.cache_bytes import GIGA, MEGA, VARIANTS
from minimind_core.model.config import ModelConfig
from questions import load_question

QUESTION = load_question("q06_gqa")
given = partial(given_whole, QUESTION)
LAYERS, HIDDEN, HEAD_DIM = given("layers"), given("hidden"), given("head_dim")
QUERY_HEADS, KV_HEADS = given("query_heads"), given("kv_heads")
TOKENS, BYTES = given("tokens"), given("bytes")
"""Cached tokens of a sequence, and the bytes of each number in them."""


def cache_elements(kv_heads: int, tokens: int) -> int:
    """Keys and values of one sequence."""
    return 2 * LAYERS * kv_heads * HEAD_DIM * tokens


def cache_bytes(kv_heads: int) -> int:
    """Of one sequence of the given length in FP16."""
    return cache_elements(kv_heads, TOKENS) * BYTES


def parameters(kv_heads: int) -> int:
    """Of our model with that many key/value heads, matrix by matrix; the embedding is also the head."""
    config = ModelConfig()
    attention = 2 * HIDDEN * QUERY_HEADS * HEAD_DIM + 2 * HIDDEN * kv_heads * HEAD_DIM
    layer = attention + 3 * HIDDEN * config.intermediate_size + 2 * HIDDEN
    return config.vocab_size * HIDDEN + LAYERS * layer + HIDDEN


def multi_head_cache() -> Numbers:
    """One key/value head a query head."""
    total = cache_bytes(QUERY_HEADS)
    return {"elements": cache_elements(QUERY_HEADS, TOKENS), "bytes": total, "megabytes": total / MEGA}


def multi_query_cache() -> Numbers:
    """One key/value head."""
    return {"bytes": cache_bytes(1), "megabytes": cache_bytes(1) / MEGA}


def our_cache() -> Numbers:
    """The heads of our model, for all tokens and for one."""
    total = cache_bytes(KV_HEADS)
    return {"bytes": total, "megabytes": total / MEGA, "per_token": cache_elements(KV_HEADS, 1) * BYTES}


def savings() -> Numbers:
    """Percent of the cache saved against one key/value head a query head."""
    full = cache_bytes(QUERY_HEADS)
    return {name: 100 * (1 - cache_bytes(VARIANTS[name]) / full) for name in ("mqa", "gqa")}


def batch_caches() -> Numbers:
    """Megabytes for the whole batch."""
    return {name: cache_bytes(heads) * given("batch") / MEGA for name, heads in VARIANTS.items()}


def large_model_shares() -> Numbers:
    """Percent of the cache left in a model with many query heads."""
    heads = {"gqa_8": 8, "gqa_4": 4, "mqa": 1}
    return {name: 100 * count / given("large_heads") for name, count in heads.items()}


def wiring() -> dict[str, list[int]]:
    """Sentinel heads, head j filled with j, repeated side by side and tiled."""
    heads = np.arange(KV_HEADS)
    n_rep = QUERY_HEADS // KV_HEADS
    return {"grouped": np.repeat(heads, n_rep).tolist(), "tiled": np.tile(heads, n_rep).tolist()}


def operations() -> Numbers:
    """Weights of the key and value projections, and operations of a prefill with all its logits."""
    tokens = given("prefill")
    pairs = 4 * QUERY_HEADS * HEAD_DIM * LAYERS * tokens**2
    norms = LAYERS * 2 * HIDDEN + HIDDEN
    prefill = {
        f"prefill_{name}": (2 * tokens * (parameters(heads) - norms) + pairs) / GIGA
        for name, heads in VARIANTS.items()
    }
    per_head = 2 * LAYERS * HIDDEN * HEAD_DIM
    projections = {f"kv_weights_{name}": per_head * VARIANTS[name] for name in ("mha", "gqa")}
    return {**projections, "scores": pairs / GIGA, **prefill}


def repeated_traffic() -> float:
    """Bytes moved with materialised repetition over those of plain multi-head attention."""
    read_shared, write_full, read_full = KV_HEADS / QUERY_HEADS, 1, 1
    return (read_shared + write_full + read_full) / read_full


def latent_attention() -> Numbers:
    """Numbers that MLA keeps a token and layer in DeepSeek-V2 (512 + 64, heads of 128), and at our width."""
    latent, rope, their_width = 512, 64, 128
    assert latent == 4 * their_width and rope == their_width / 2  # the proportions that are scaled
    return {
        "deepseek": latent + rope,
        "as_groups": (latent + rope) / (2 * their_width),
        "scaled": 4 * HEAD_DIM + HEAD_DIM // 2,
        "gqa": 2 * KV_HEADS * HEAD_DIM,
    }


def step_bytes(kv_heads: int, tokens: int, batch: int) -> int:
    """What one decode step reads: the weights of that model once, and every sequence's cache."""
    return BYTES * (parameters(kv_heads) + batch * cache_elements(kv_heads, tokens))


def byte_gain(tokens: int, batch: int) -> float:
    """Bytes of a step without sharing over those of our model."""
    return step_bytes(QUERY_HEADS, tokens, batch) / step_bytes(KV_HEADS, tokens, batch)


def break_even() -> Numbers:
    """Batches whose caches weigh as much as our weights in BF16, and gains in bytes at batch 1."""
    weights = parameters(KV_HEADS) * 2
    batches = {name: weights / cache_bytes(heads) for name, heads in VARIANTS.items()}
    share = round(100 * cache_bytes(QUERY_HEADS) / weights)
    gains = {"gain": byte_gain(TOKENS, 1), "gain_short": byte_gain(given("prefill"), 1)}
    return {"weights": weights / MEGA, "share": share, **batches, **gains}


def capacity() -> Counts:
    """Sequences that would fit on the card beside the weights and nothing else, to two digits."""
    free = given("card") * GIGA - parameters(KV_HEADS) * 2
    return {name: int(float(f"{free / cache_bytes(heads):.1e}")) for name, heads in VARIANTS.items()}


def quoted_rates() -> Numbers:
    """The factor in the quoted requests a second, the one quoted for a quarter, and the bytes' limit."""
    rates, factors = QUESTION.claim("Q6-C27").said, QUESTION.claim("Q6-C11").said
    assert isinstance(rates, Mapping) and isinstance(factors, tuple)
    return {
        "factor": float(rates["gqa"]) / float(rates["mha"]),  # type: ignore[arg-type]
        "quarter": float(factors[0]),  # type: ignore[arg-type]
        "limit": byte_gain(TOKENS, given("batch")),
    }


def intensity() -> Numbers:
    """Operations on each byte of cache in one decode step: scores and weighted values, two each."""
    operations = 4 * QUERY_HEADS * HEAD_DIM
    found = {name: 2 * heads * HEAD_DIM * BYTES for name, heads in VARIANTS.items()}
    return {name: operations / read for name, read in found.items()}


def upstream_today() -> Numbers:
    """MiniMind-3: eight layers, four key/value heads of width 96, BF16."""
    per_token = 2 * 8 * 4 * 96 * 2
    return {"per_token": per_token, "times": per_token / (cache_elements(KV_HEADS, 1) * 2)}


CHECKS: dict[str, Check] = {
    "Q6-C1": multi_head_cache,
    "Q6-C2": multi_query_cache,
    "Q6-C3": our_cache,
    "Q6-C4": savings,
    "Q6-C5": batch_caches,
    "Q6-C6": large_model_shares,
    "Q6-C12": wiring,
    "Q6-C14": operations,
    "Q6-C15": lambda: {f"kv_{heads}": parameters(heads) for heads in (8, 4, 2, 1)},
    "Q6-C16": repeated_traffic,
    "Q6-C19": latent_attention,
    "Q6-C22": break_even,
    "Q6-C23": capacity,
    "Q6-C25": upstream_today,
    "Q6-C27": quoted_rates,
    "Q6-C28": intensity,
}
