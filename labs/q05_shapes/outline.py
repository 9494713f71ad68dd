"""The drawing that is asked for: its steps with their shapes, its matrices, and what is usually drawn wrong.

Plain arithmetic from the shape of a model; no torch.
"""

from __future__ import annotations

import math
from typing import TypedDict

from labs.contract.shapes import Shape, read_shapes
from minimind_core.model.config import ModelConfig, swiglu_width

STEPS = (
    "embedding",
    "q_linear",
    "kv_linear",
    "q",
    "kv",
    "repeated",
    "scores",
    "context",
    "output",
    "inner",
    "down",
    "logits",
)
"""The boxes of the drawing, in the order in which they are numbered."""
USUALLY_MISSING = "o_proj"
"""The matrix that most drawings leave out."""
MILLION, GIGA = 10**6, 10**9


class Typed(TypedDict):
    """What was typed into one box, and whether it is that step's shape."""

    shape: list[int]
    right: bool


class Matrix(TypedDict):
    """A kind of weights: its shape (out, in), how many the model has, and all their weights."""

    name: str
    shape: list[int]
    copies: int
    weights: int


def shapes(config: ModelConfig, batch: int, tokens: int) -> dict[str, list[int]]:
    """The shape of every step's tensor.

    >>> shapes(ModelConfig(), 2, 5)["kv_linear"]
    [2, 5, 128]
    """
    heads, kv_heads, head_dim = config.num_heads, config.num_kv_heads, config.head_dim
    stream = [batch, tokens, config.hidden_size]
    return {
        "embedding": stream,
        "q_linear": [batch, tokens, heads * head_dim],
        "kv_linear": [batch, tokens, kv_heads * head_dim],
        "q": [batch, heads, tokens, head_dim],
        "kv": [batch, kv_heads, tokens, head_dim],
        "repeated": [batch, heads, tokens, head_dim],
        "scores": [batch, heads, tokens, tokens],
        "context": [batch, heads, tokens, head_dim],
        "output": stream,
        "inner": [batch, tokens, config.intermediate_size],
        "down": stream,
        "logits": [batch, tokens, config.vocab_size],
    }


def matrices(config: ModelConfig) -> list[Matrix]:
    """Every kind of weights by its name in the model, in the order in which a token meets them."""
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_layers
    queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    table = {
        "embed_tokens": ([config.vocab_size, hidden], 1),
        "q_proj": ([queries, hidden], layers),
        "k_proj": ([keys, hidden], layers),
        "v_proj": ([keys, hidden], layers),
        "o_proj": ([hidden, queries], layers),
        "gate_proj": ([inner, hidden], layers),
        "up_proj": ([inner, hidden], layers),
        "down_proj": ([hidden, inner], layers),
        "norm": ([hidden], 2 * layers + 1),
    }
    if not config.tie_word_embeddings:
        table["lm_head"] = ([config.vocab_size, hidden], 1)
    return [
        {"name": name, "shape": shape, "copies": copies, "weights": copies * math.prod(shape)}
        for name, (shape, copies) in table.items()
    ]


def total(kinds: list[Matrix]) -> int:
    """All their weights."""
    return sum(kind["weights"] for kind in kinds)


def as_usually_drawn(config: ModelConfig) -> int:
    """Weights of the drawing that most people give: the width before rounding, and no output projection.

    >>> as_usually_drawn(ModelConfig())
    23204352
    """
    drawn = matrices(config.replace(intermediate_size=8 * config.hidden_size // 3))
    return total([kind for kind in drawn if kind["name"] != USUALLY_MISSING])


def typed_shapes(drawing: str, right: dict[str, Shape]) -> dict[str, Typed]:
    """A typed drawing by step, as `read_shapes` reads it.

    >>> typed_shapes("[2,5,512] [?] 2x5x128", shapes(ModelConfig(), 2, 5))["embedding"]["right"]
    True
    """
    typed = read_shapes(drawing, STEPS)
    return {step: {"shape": shape, "right": shape == right[step]} for step, shape in typed.items()}


def plausible_shapes(config: ModelConfig, batch: int, tokens: int) -> dict[str, list[Shape]]:
    """For every step its shape among those that are often drawn in its place, in the order of their numbers.

    >>> plausible_shapes(ModelConfig(), 2, 5)["scores"]
    [[2, 2, 5, 5], [2, 5, 5], [2, 8, 5, 5], [2, 8, 5, 64]]
    """
    right, usual = shapes(config, batch, tokens), _usual_mistakes(config, batch, tokens)
    return {step: [list(one) for one in sorted({tuple(right[step]), *usual[step]})] for step in STEPS}


def _usual_mistakes(config: ModelConfig, batch: int, tokens: int) -> dict[str, list[tuple[int, ...]]]:
    """By step: heads not split, not joined or not shared, an axis left out, a width of another matrix."""
    heads, kv_heads, head_dim = config.num_heads, config.num_kv_heads, config.head_dim
    hidden, inner, vocabulary = config.hidden_size, config.intermediate_size, config.vocab_size
    row = (batch, tokens)
    unrounded = 8 * hidden // 3
    other = unrounded if inner != unrounded else swiglu_width(hidden)
    return {
        "embedding": [row, (batch, hidden), (*row, vocabulary)],
        "q_linear": [(*row, heads, head_dim), (*row, head_dim), (*row, kv_heads * head_dim)],
        "kv_linear": [(*row, hidden), (*row, head_dim), (*row, kv_heads, head_dim)],
        "q": [(*row, heads, head_dim), (batch, heads, tokens, hidden), (batch, heads, head_dim, tokens)],
        "kv": [
            (batch, heads, tokens, head_dim),
            (*row, kv_heads, head_dim),
            (batch, kv_heads, tokens, kv_heads * head_dim),
        ],
        "repeated": [
            (batch, kv_heads, tokens, head_dim),
            (batch, heads * kv_heads, tokens, head_dim),
            (batch, kv_heads, tokens * heads // kv_heads, head_dim),
        ],
        "scores": [
            (batch, tokens, tokens),
            (batch, heads, tokens, head_dim),
            (batch, kv_heads, tokens, tokens),
        ],
        "context": [(batch, heads, tokens, tokens), (batch, kv_heads, tokens, head_dim), (*row, hidden)],
        "output": [(batch, heads, tokens, head_dim), (*row, head_dim), (*row, kv_heads * head_dim)],
        "inner": [(*row, 4 * hidden), (*row, other), (*row, hidden)],
        "down": [(*row, inner), (*row, 4 * hidden), (*row, 2 * inner)],
        "logits": [(batch, vocabulary), (*row, hidden), (*row, 1)],
    }
