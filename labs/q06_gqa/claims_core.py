"""The claims of Question 6 about code: wiring, copies, equal results, the slowest way. Imports torch.

Timings here only rank ways that differ by a wide margin; figures come from the lab's experiments.
"""

from __future__ import annotations

import statistics
from functools import partial

import torch
from torch import Tensor

from labs.claims.checks import Check, Finding
from labs.q06_gqa.claims import given
from labs.q06_gqa.sharing import (
    attend_native,
    attend_repeated,
    attend_tiled,
    decode_inputs,
    largest_differences,
)
from labs.tools.interleaved import interleaved
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache

BATCH, SECONDS = 8, 0.5


def repeat_kv(x: Tensor, n_rep: int) -> Tensor:
    """[B, S, K, D] -> [B, S, K * n_rep, D], copies of a head side by side, as in the reference answer."""
    if n_rep == 1:
        return x
    batch, length, heads, width = x.shape
    x = x[:, :, :, None, :].expand(batch, length, heads, n_rep, width)
    return x.reshape(batch, length, heads * n_rep, width)


def sharing_queries() -> Finding:
    """Cache bytes of the core with fewer query heads and with fewer key/value heads; scores over one key."""
    ours = ModelConfig()
    fewer_queries, fewer_keys = ours.replace(num_heads=ours.num_kv_heads), ours.replace(num_kv_heads=1)
    ours_bytes, queries_bytes, keys_bytes = (
        StaticCache(config, 1, 16).nbytes for config in (ours, fewer_queries, fewer_keys)
    )
    random, hidden, width = _random(), given("hidden"), given("head_dim")
    states = torch.randn(6, hidden, generator=random)
    first, second, key = (
        states @ torch.randn(hidden, width, generator=random) / hidden**0.5 for _ in range(3)
    )
    apart = _apart(first @ key.T, second @ key.T)
    return Finding(
        queries_bytes == ours_bytes > keys_bytes and apart > 0.1,
        {
            "bytes": ours_bytes,
            "bytes_shared_queries": queries_bytes,
            "bytes_shared_keys": keys_bytes,
            "scores_apart": apart,
        },
    )


def copies() -> Finding:
    """Whether expand is a view of stride 0 and the reshape after it has memory of its own."""
    x = torch.randn(2, 5, given("kv_heads"), given("head_dim"), generator=_random())
    n_rep = given("query_heads") // given("kv_heads")
    view = x[:, :, :, None, :].expand(-1, -1, -1, n_rep, -1)
    copy = repeat_kv(x, n_rep)
    seen = {
        "stride": view.stride(3),
        "view_shares": view.data_ptr() == x.data_ptr(),
        "copy_shares": copy.untyped_storage().data_ptr() == x.untyped_storage().data_ptr(),
        "is_interleave": torch.equal(copy, x.repeat_interleave(n_rep, dim=2)),
    }
    return Finding(
        seen == {"stride": 0, "view_shares": True, "copy_shares": False, "is_interleave": True}
        and repeat_kv(x, 1) is x,
        seen,
    )


def same_result() -> Finding:
    """Largest difference of native grouping and of the core's packed groups from repetition, FP32."""
    seen = largest_differences(_step(given("kv_heads"), batch=2, length=128))
    return Finding(max(seen.values()) < 1e-5, seen)


def tiled_order() -> Finding:
    """Largest difference that tiling instead of repeating makes, by the number of key/value heads."""
    apart = {}
    for kv_heads in (1, given("kv_heads"), given("query_heads")):
        step = _step(kv_heads, batch=1, length=128)
        apart[kv_heads] = _apart(attend_tiled(*step), attend_repeated(*step))
    ours, ends = apart.pop(given("kv_heads")), sorted(apart.values())
    return Finding(ours > 0.1 and ends == [0, 0], {"ours": ours, "ends": ends})


def slowest_way() -> Finding:
    """Milliseconds of one layer's decode step: no sharing, native grouping, repetition."""
    full, shared = (_step(given(heads), BATCH, given("tokens")) for heads in ("query_heads", "kv_heads"))
    ways = {
        "mha": partial(attend_native, *full),
        "native": partial(attend_native, *shared),
        "repeat": partial(attend_repeated, *shared),
    }
    times = interleaved(ways, "cpu", SECONDS, lambda _share: None)
    milliseconds = {name: 1000 * statistics.median(seconds) for name, seconds in times.items()}
    return Finding(milliseconds["repeat"] > max(milliseconds["mha"], milliseconds["native"]), milliseconds)


def _step(kv_heads: int, batch: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """One query a head [B, H, 1, D], and keys, values [B, K, S, D]."""
    return decode_inputs(kv_heads, batch, length, 0, "cpu", torch.float32)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CHECKS: dict[str, Check] = {
    "Q6-C13": sharing_queries,
    "Q6-C17": same_result,
    "Q6-C20": tiled_order,
    "Q6-C21": slowest_way,
    "Q6-C26": copies,
}
