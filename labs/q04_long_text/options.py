"""What each way to read a long text costs: windows, tokens, query-key pairs, operations. Counted, no torch.

Causal pairs throughout, for the 26M's shape; operations are those of the layers, without the LM head.
"""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, kv_cache_bytes, matmul_parameters

OPTIONS = ("truncate", "head_tail", "disjoint", "overlap", "hierarchy", "local", "full")
BLOCKS = 32
"""Rows and columns of the picture of a mask."""


class Price(TypedDict):
    """Tokens that pass through the layers, visible pairs, operations; percent of the text that is read."""

    tokens: int
    pairs: int
    gflop: float
    read_percent: float


class Memory(TypedDict):
    """MiB of one layer's scores if they are written out in FP32, and of the cache in BF16 that goes on."""

    scores_mib: float
    cache_mib: float


def plan_windows(length: int, window: int, stride: int) -> list[tuple[int, int, int]]:
    """(start, end, first token that no earlier window has read) of each window.

    The last one is shifted back to end with the text. Needs 1 <= stride <= window.

    >>> plan_windows(1000, 512, 256)
    [(0, 512, 0), (256, 768, 512), (488, 1000, 768)]
    """
    plan = [(0, min(window, length), 0)]
    while plan[-1][1] < length:
        start = min(len(plan) * stride, length - window)
        plan.append((start, start + window, plan[-1][1]))
    return plan


def window_count(length: int, window: int, stride: int) -> int:
    """The formula: ceil((L - w) / s) + 1, and one for a text that fits.

    >>> window_count(8192, 512, 256), window_count(8192, 512, 512), window_count(100, 512, 256)
    (31, 16, 1)
    """
    return math.ceil(max(length - window, 0) / stride) + 1


def causal_pairs(length: int, window: int | None = None) -> int:
    """Query-key pairs that a causal mask leaves, with at most `window` keys a query.

    >>> causal_pairs(8192, 256), causal_pairs(8192)
    (2064512, 33558528)
    """
    w = min(window or length, length)
    return w * (w + 1) // 2 + (length - w) * w


def prices(length: int, window: int, stride: int, local: int) -> dict[str, Price]:
    """Every option for one text of `length` tokens; `local` is the window of window attention."""
    cut, chunks = min(window, length), math.ceil(length / window)
    disjoint = [end - start for start, end in disjoint_windows(length, window)]
    overlapping = [end - start for start, end, _ in plan_windows(length, window, stride)]
    pairs_of_chunks = sum(map(causal_pairs, disjoint))
    counted = {
        "truncate": (cut, causal_pairs(cut)),
        "head_tail": (cut, causal_pairs(cut)),
        "disjoint": (length, pairs_of_chunks),
        "overlap": (sum(overlapping), sum(map(causal_pairs, overlapping))),
        "hierarchy": (length + chunks, pairs_of_chunks + causal_pairs(chunks)),
        "local": (length, causal_pairs(length, local)),
        "full": (length, causal_pairs(length)),
    }
    return {
        name: {
            "tokens": tokens,
            "pairs": pairs,
            "gflop": operations(tokens, pairs) / 1e9,
            "read_percent": 100 * cut / length if name in ("truncate", "head_tail") else 100.0,
        }
        for name, (tokens, pairs) in counted.items()
    }


def memory(length: int, window: int, local: int) -> dict[str, Memory]:
    """Of every option, for the 26M's shape; one window at a time, a mask on scores that are all written out.

    >>> memory(8192, 512, 256)["full"]
    {'scores_mib': 2048.0, 'cache_mib': 32.0}
    """
    config, cut = ModelConfig(), min(window, length)
    kept = dict.fromkeys(OPTIONS, cut) | {"local": min(local, length), "full": length}
    side = dict.fromkeys(OPTIONS, cut) | {"local": length, "full": length}
    return {
        option: {
            "scores_mib": config.num_heads * side[option] ** 2 * 4 / 2**20,
            "cache_mib": kv_cache_bytes(config, 1, kept[option]) / 2**20,
        }
        for option in OPTIONS
    }


def operations(tokens: int, pairs: int) -> int:
    """Of the layers of the 26M for so many tokens and visible pairs.

    >>> operations(8192, causal_pairs(8192))
    919190110208
    """
    config = ModelConfig()
    return 2 * tokens * matmul_parameters(config)["layers"] + attention_flops_per_pair(config) * pairs


def disjoint_windows(length: int, window: int) -> list[tuple[int, int]]:
    """Start and end of windows side by side; the last may be shorter."""
    return [(start, min(start + window, length)) for start in range(0, length, window)]


def visible_blocks(
    option: str, length: int, window: int, stride: int, local: int, sinks: int
) -> NDArray[np.float32]:
    """Share of the causal pairs of each block that a token looks at, [BLOCKS, BLOCKS]; NaN in the future.

    Rows are queries, from the first to the last; a corner of each cell is looked at, 8 by 8 places.
    """
    places = (np.arange(BLOCKS * 8) + 0.5) * length / (BLOCKS * 8)
    query, key = places[:, None], places[None, :]
    past = key <= query
    seen = past & _looks(option, query, key, length, window, stride, local, sinks)
    cells = (BLOCKS, 8, BLOCKS, 8)
    visible, possible = (part.reshape(cells).sum((1, 3)) for part in (seen, past))
    share = np.full((BLOCKS, BLOCKS), np.nan, np.float32)
    np.divide(visible, possible, out=share, where=possible > 0)
    return share


def _looks(
    option: str,
    query: NDArray[np.float64],
    key: NDArray[np.float64],
    length: int,
    window: int,
    stride: int,
    local: int,
    sinks: int,
) -> NDArray[np.bool_]:
    """Whether the token at `query` [Q, 1] may look at the one at `key` [1, K], causality aside."""
    if option == "truncate":
        return (query < window) & (key < window)
    if option == "head_tail":
        half = min(window, length) / 2
        return ((query < half) | (query >= length - half)) & ((key < half) | (key >= length - half))
    if option in ("disjoint", "hierarchy"):
        return np.floor(query / window) == np.floor(key / window)
    if option == "overlap":
        plan = plan_windows(length, window, stride)
        return np.any(
            [(start <= key) & (key < end) & (start <= query) & (query < end) for start, end, _ in plan],
            axis=0,
        )
    if option == "local":
        return (query - key < local) | (key < sinks)
    return np.broadcast_to(np.array(True), np.broadcast_shapes(query.shape, key.shape))
