"""Patterns as masks of a real model, and as block masks of FlexAttention. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.q04_long_text.patterns import BY_HEAD, Pattern
from labs.tools.interleaved import interleaved, middle
from minimind_core.model.config import ModelConfig

BLOCK = 128
"""Queries and keys of a block, as FlexAttention cuts them unless told otherwise."""
COMPARED = 1024
"""Queries, the last ones, whose attention is also written out."""


def mask(
    pattern: Pattern, length: int, heads: int, device: torch.device | str, first_query: int = 0
) -> Tensor:
    """bool [1, 1 or H, T - first_query, T], True = may look, the future taken away."""
    key = torch.arange(length, device=device)
    query = key[first_query:, None]
    head = torch.arange(heads if pattern.name in BY_HEAD else 1, device=device)[:, None, None]
    looks = pattern.looks(head, query, key) & (key <= query)
    return looks.expand(len(head), -1, -1)[None]


def heard(visible: Tensor, layers: int) -> int:
    """Positions whose information arrives at the last token through so many layers: mask [1, H, T, T]."""
    any_head = visible[0].any(0).float()  # [T, T]
    seen = torch.zeros(len(any_head), device=visible.device)
    seen[-1] = 1
    for _ in range(layers):
        seen = (seen @ any_head > 0).float()
    return int(seen.sum())


def block_share(pattern: Pattern, length: int, check: Callable[[], object]) -> float:
    """Share of the causal blocks in which a head looks at anything: what a block-sparse kernel computes.

    Of mixed heads there are two kinds, an even and an odd one. `check` is called before each row of blocks
    and may raise.
    """
    computed = possible = 0
    head = torch.arange(2 if pattern.name in BY_HEAD else 1, dtype=torch.int32)[:, None, None]
    for start in range(0, length, BLOCK):
        check()
        end = min(start + BLOCK, length)
        query, key = (
            torch.arange(start, end, dtype=torch.int32)[:, None],
            torch.arange(end, dtype=torch.int32),
        )
        looks = pattern.looks(head, query, key) & (key <= query)
        looked_at = F.pad(looks.expand(len(head), -1, -1).any(1), (0, -end % BLOCK))  # [H, end]
        computed += int(looked_at.view(len(head), -1, BLOCK).any(-1).sum())
        possible += len(head) * (start // BLOCK + 1)
    return computed / possible


def flex(
    pattern: Pattern, queries: Tensor, keys: Tensor, values: Tensor, attention: Callable[..., Tensor]
) -> Callable[[], Tensor]:
    """A call of `attention`, torch's `flex_attention` or a compiled one, with the pattern's block mask.

    queries [B, H, T, D]; keys, values [B, K, T, D].
    """
    from torch.nn.attention.flex_attention import create_block_mask

    def looks(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        seen: Tensor = pattern.looks(head, query, key) & (key <= query)
        return seen

    length, device = queries.shape[2], str(queries.device)
    heads = queries.shape[1] if pattern.name in BY_HEAD else None
    blocks = create_block_mask(looks, None, heads, length, length, device=device, BLOCK_SIZE=BLOCK)
    return partial(attention, queries, keys, values, block_mask=blocks, enable_gqa=True)


def timed_kernels(
    patterns: Sequence[Pattern], length: int, seconds: float, told: Callable[[float], None]
) -> tuple[dict[str, dict[str, float]], float]:
    """Milliseconds of fused causal attention and of each pattern in FlexAttention, on CUDA in bf16.

    Also the largest difference of any pattern from the same mask written out. `told` hears the share done.
    """
    from torch.nn.attention.flex_attention import flex_attention

    compiled = torch.compile(flex_attention, dynamic=False)
    config = ModelConfig()
    random = torch.Generator(device="cuda").manual_seed(0)
    queries, keys, values = (
        torch.randn(1, heads, length, config.head_dim, generator=random, device="cuda", dtype=torch.bfloat16)
        for heads in (config.num_heads, config.num_kv_heads, config.num_kv_heads)
    )
    ways: dict[str, Callable[[], object]] = {
        "fused": lambda: F.scaled_dot_product_attention(
            queries, keys, values, is_causal=True, enable_gqa=True
        )
    }
    difference = 0.0
    for index, pattern in enumerate(patterns):
        told(0.6 * index / len(patterns))
        ways[pattern.name] = call = flex(pattern, queries, keys, values, compiled)
        last = queries[:, :, -COMPARED:]  # the whole square of scores would fill a small card
        visible = mask(pattern, length, config.num_heads, "cuda", length - last.shape[2])
        written = F.scaled_dot_product_attention(last, keys, values, attn_mask=visible, enable_gqa=True)
        difference = max(difference, float((call()[:, :, -COMPARED:] - written).abs().max()))
    times: Mapping[str, list[float]] = interleaved(
        ways, "cuda", seconds, lambda share: told(0.6 + 0.4 * share)
    )
    return {name: middle([1000 * each for each in row]) for name, row in times.items()}, difference
