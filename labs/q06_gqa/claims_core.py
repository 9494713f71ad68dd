"""The claims of Question 6 about code: wiring, copies, equal results, the slowest way. Imports torch.

Timings here only rank ways that differ by a wide margin; figures come from the lab's experiments.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.claims.checks import Check, Finding
from labs.q06_gqa.claims import given
from minimind_core.model.attention import attend
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache

BATCH, REPEATS = 8, 5


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
    queries, keys, values = _step(given("kv_heads"), batch=2, length=128)
    repeated = _repeated(queries, keys, values)
    native = F.scaled_dot_product_attention(queries, keys, values, enable_gqa=True)
    everything = torch.ones(1, 1, 1, keys.shape[2], dtype=torch.bool)
    grouped = attend(queries, keys, values, everything, "eager")
    seen = {"native": _apart(native, repeated), "grouped": _apart(grouped, repeated)}
    return Finding(max(seen.values()) < 1e-5, seen)


def tiled_order() -> Finding:
    """Largest difference that tiling instead of repeating makes, by the number of key/value heads."""
    apart = {}
    for kv_heads in (1, given("kv_heads"), given("query_heads")):
        queries, keys, values = _step(kv_heads, batch=1, length=128)
        n_rep = given("query_heads") // kv_heads
        tiled = (x.repeat(1, n_rep, 1, 1) for x in (keys, values))
        attended = F.scaled_dot_product_attention(queries, *tiled)
        apart[kv_heads] = _apart(attended, _repeated(queries, keys, values))
    ours, ends = apart.pop(given("kv_heads")), sorted(apart.values())
    return Finding(ours > 0.1 and ends == [0, 0], {"ours": ours, "ends": ends})


def slowest_way() -> Finding:
    """Milliseconds of one layer's decode step: no sharing, native grouping, repetition."""
    length = given("tokens")
    full, shared = (_step(heads, BATCH, length) for heads in (given("query_heads"), given("kv_heads")))
    ways: dict[str, Callable[[], Tensor]] = {
        "mha": lambda: F.scaled_dot_product_attention(*full),
        "native": lambda: F.scaled_dot_product_attention(*shared, enable_gqa=True),
        "repeat": lambda: _repeated(*shared),
    }
    milliseconds = {name: _median_ms(way) for name, way in ways.items()}
    return Finding(milliseconds["repeat"] > max(milliseconds["mha"], milliseconds["native"]), milliseconds)


def _step(kv_heads: int, batch: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """One query a head [B, H, 1, D], and keys, values [B, K, S, D]."""
    random, width = _random(), given("head_dim")
    queries = torch.randn(batch, given("query_heads"), 1, width, generator=random)
    keys, values = (torch.randn(batch, kv_heads, length, width, generator=random) for _ in range(2))
    return queries, keys, values


def _repeated(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    n_rep = queries.shape[1] // keys.shape[1]
    keys, values = (repeat_kv(x.transpose(1, 2), n_rep).transpose(1, 2) for x in (keys, values))
    return F.scaled_dot_product_attention(queries, keys, values)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _median_ms(way: Callable[[], Tensor]) -> float:
    way()  # warm up
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CHECKS: dict[str, Check] = {
    "Q6-C13": sharing_queries,
    "Q6-C17": same_result,
    "Q6-C20": tiled_order,
    "Q6-C21": slowest_way,
    "Q6-C26": copies,
}
