"""What is usually drawn in place of a step's shape, and what went wrong there. Plain arithmetic; no torch."""

from __future__ import annotations

from collections.abc import Mapping

from labs.contract.shapes import Shape
from labs.q05_shapes.outline import STEPS, Typed, shapes
from minimind_core.model.config import ModelConfig, swiglu_width

Mistakes = dict[str, tuple[int, ...]]
"""Shapes by what went wrong: `mistake.<name>` in the catalogue says it."""


def plausible_shapes(config: ModelConfig, batch: int, tokens: int) -> dict[str, list[Shape]]:
    """For every step its shape among those that are often drawn in its place, in the order of their numbers.

    >>> plausible_shapes(ModelConfig(), 2, 5)["scores"]
    [[2, 2, 5, 5], [2, 5, 5], [2, 8, 5, 5], [2, 8, 5, 64]]
    """
    right, usual = shapes(config, batch, tokens), usual_mistakes(config, batch, tokens)
    return {
        step: [list(one) for one in sorted({tuple(right[step]), *usual[step].values()})] for step in STEPS
    }


def mistakes_in(typed: Mapping[str, Typed], usual: Mapping[str, Mistakes]) -> dict[str, str]:
    """By step the mistake that makes what was filled in of it; a shape that nobody usually draws has none."""
    return {
        step: name
        for step, box in typed.items()
        for name, shape in usual[step].items()
        if not box["right"] and shape == tuple(box["shape"])
    }


def usual_mistakes(config: ModelConfig, batch: int, tokens: int) -> dict[str, Mistakes]:
    """By step: heads not split, not joined or not shared, an axis left out, a width of another matrix."""
    return {
        **_around_attention(config, batch, tokens),
        **_inside_attention(config, batch, tokens),
        **_behind_attention(config, batch, tokens),
    }


def _around_attention(config: ModelConfig, batch: int, tokens: int) -> dict[str, Mistakes]:
    """Of the embedding, and of what goes into attention and comes out."""
    heads, kv_heads, head_dim = config.num_heads, config.num_kv_heads, config.head_dim
    row, hidden = (batch, tokens), config.hidden_size
    return {
        "embedding": {"ids": row, "one_vector": (batch, hidden), "one_hot": (*row, config.vocab_size)},
        "q_linear": {
            "split_early": (*row, heads, head_dim),
            "one_head": (*row, head_dim),
            "kv_width": (*row, kv_heads * head_dim),
        },
        "kv_linear": {
            "query_width": (*row, hidden),
            "one_head": (*row, head_dim),
            "split_early": (*row, kv_heads, head_dim),
        },
        "output": {
            "not_joined": (batch, heads, tokens, head_dim),
            "one_head": (*row, head_dim),
            "kv_width": (*row, kv_heads * head_dim),
        },
    }


def _inside_attention(config: ModelConfig, batch: int, tokens: int) -> dict[str, Mistakes]:
    """Of all that is apart by heads."""
    heads, kv_heads, head_dim = config.num_heads, config.num_kv_heads, config.head_dim
    row, hidden, group = (batch, tokens), config.hidden_size, heads // kv_heads
    return {
        "q": {
            "not_transposed": (*row, heads, head_dim),
            "wide_heads": (batch, heads, tokens, hidden),
            "swapped": (batch, heads, head_dim, tokens),
        },
        "kv": {
            "query_heads": (batch, heads, tokens, head_dim),
            "not_transposed": (*row, kv_heads, head_dim),
            "wide_heads": (batch, kv_heads, tokens, kv_heads * head_dim),
        },
        "repeated": {
            "not_shared": (batch, kv_heads, tokens, head_dim),
            "copied_for_all": (batch, heads * kv_heads, tokens, head_dim),
            "along_tokens": (batch, kv_heads, tokens * group, head_dim),
        },
        "scores": {
            "one_square": (batch, tokens, tokens),
            "vectors": (batch, heads, tokens, head_dim),
            "not_shared": (batch, kv_heads, tokens, tokens),
        },
        "context": {
            "still_weights": (batch, heads, tokens, tokens),
            "not_shared": (batch, kv_heads, tokens, head_dim),
            "joined_early": (*row, hidden),
        },
    }


def _behind_attention(config: ModelConfig, batch: int, tokens: int) -> dict[str, Mistakes]:
    """Of the feed-forward part and the head."""
    hidden, inner, row = config.hidden_size, config.intermediate_size, (batch, tokens)
    eight_thirds = 8 * hidden // 3
    rounding = {"not_rounded": eight_thirds} if inner != eight_thirds else {"rounded": swiglu_width(hidden)}
    return {
        "inner": {
            "four_times": (*row, 4 * hidden),
            **{name: (*row, width) for name, width in rounding.items()},
            "not_widened": (*row, hidden),
        },
        "down": {"not_back": (*row, inner), "not_summed": (*row, 2 * inner), "widened": (*row, 4 * hidden)},
        "logits": {"last_only": (batch, config.vocab_size), "no_head": (*row, hidden), "chosen": (*row, 1)},
    }
