"""One layer of our model with random weights, in NumPy, and its weights counted matrix by matrix. No torch.

Written out so that it can disagree with the core; the claims of Question 5 are checked against it.
"""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import given_whole
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import forward_flops
from questions import load_question

QUESTION = load_question("q05_shapes")
given = partial(given_whole, QUESTION)
Array = NDArray[np.float64]


def width(hidden: int) -> int:
    """Eight thirds of the hidden size, rounded up to a multiple of the tile."""
    return given("tile") * math.ceil(hidden * 8 // 3 / given("tile"))


def matrices(kv_heads: int | None = None, feed_forward: int | None = None) -> dict[str, int]:
    """Weights of each matrix of our model, one layer where there are several."""
    hidden, head = given("hidden"), given("head_dim")
    queries, keys = given("query_heads") * head, (kv_heads or given("kv_heads")) * head
    inner = feed_forward or width(hidden)
    return {
        "embedding": given("vocab") * hidden,
        "q": queries * hidden,
        "k": keys * hidden,
        "v": keys * hidden,
        "o": hidden * queries,
        "gate": inner * hidden,
        "up": inner * hidden,
        "down": hidden * inner,
        "norm": hidden,
    }


def layer(counts: dict[str, int]) -> int:
    """Everything in one layer: it has two norms."""
    return sum(counts[name] for name in ("q", "k", "v", "o", "gate", "up", "down")) + 2 * counts["norm"]


def total(counts: dict[str, int]) -> int:
    """The whole model with one matrix for embedding and head."""
    return counts["embedding"] + given("layers") * layer(counts) + counts["norm"]


def multiplied() -> int:
    """Weights that one token is multiplied with: all but the norms, the tied matrix as the head."""
    counts = matrices()
    return total(counts) - (2 * given("layers") + 1) * counts["norm"]


def per_pair() -> int:
    """Operations for one query-key pair over all heads and layers: scores and weighted values."""
    return 4 * given("query_heads") * given("head_dim") * given("layers")


def flops(batch: int, tokens: int) -> int:
    """Of one forward, every query against every key."""
    counted = 2 * batch * tokens * multiplied() + per_pair() * batch * tokens**2
    assert counted == forward_flops(ModelConfig(), batch, tokens), "cost.py counts otherwise"
    return counted


def softmax(scores: Array) -> Array:
    """Along the last axis."""
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def rms_norm(x: Array) -> Array:
    """With all gains one."""
    return np.asarray(x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5))


def rotate(x: Array) -> Array:
    """RoPE in the half-split layout on [B, heads, T, head_dim]."""
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[-2])[:, None] * 1e6 ** -(np.arange(half) / half)
    cos, sin = np.tile(np.cos(angles), 2), np.tile(np.sin(angles), 2)
    return np.asarray(x * cos + np.concatenate((-x[..., half:], x[..., :half]), -1) * sin)


@cache
def weights() -> dict[str, Array]:
    """Random matrices [out, in] of one layer."""
    random, hidden = np.random.default_rng(0), given("hidden")
    return {
        name: random.normal(
            0, 0.05, (count // hidden, hidden) if name != "down" else (hidden, count // hidden)
        )
        for name, count in matrices().items()
        if name not in ("embedding", "norm")
    }


def block(x: Array) -> dict[str, Array]:
    """One layer on [B, T, hidden] with every intermediate tensor by name."""
    batch, tokens, _ = x.shape
    group = given("query_heads") // given("kv_heads")
    seen = {"input": x, "normed": rms_norm(x)}
    for name in ("q", "k", "v"):
        seen[f"{name}_linear"] = seen["normed"] @ weights()[name].T
        split = seen[f"{name}_linear"].reshape(batch, tokens, -1, given("head_dim"))
        seen[name] = split.transpose(0, 2, 1, 3)
    queries, keys = rotate(seen["q"]), rotate(seen["k"])
    seen["keys"], seen["values"] = (np.repeat(part, group, 1) for part in (keys, seen["v"]))
    seen["scores"] = queries @ seen["keys"].swapaxes(-1, -2) / math.sqrt(given("head_dim"))
    future = np.triu(np.ones((tokens, tokens), dtype=bool), 1)
    seen["weights"] = softmax(np.where(future, -np.inf, seen["scores"]))
    seen["context"] = seen["weights"] @ seen["values"]
    joined = seen["context"].transpose(0, 2, 1, 3).reshape(batch, tokens, -1)
    middle = x + joined @ weights()["o"].T
    normed = rms_norm(middle)
    gate, up = normed @ weights()["gate"].T, normed @ weights()["up"].T
    seen["inner"] = gate / (1 + np.exp(-gate)) * up
    seen["output"] = middle + seen["inner"] @ weights()["down"].T
    return seen


def example(tokens: int | None = None) -> Array:
    """A hidden stream of the given batch and length."""
    shape = given("batch"), tokens or given("tokens"), given("hidden")
    return np.random.default_rng(1).normal(size=shape)
