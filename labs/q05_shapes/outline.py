"""The drawing that is asked for: its steps with their shapes, its matrices, and what was filled in.

Plain arithmetic from the shape of a model; no torch.
"""

from __future__ import annotations

import math
from typing import TypedDict

from labs.contract.shapes import Shape, read_shapes
from minimind_core.model.config import ModelConfig

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
