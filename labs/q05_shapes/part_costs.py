"""What each kind of module multiplies and reads in one pass, by the shape of the model. No torch."""

from __future__ import annotations

from typing import NamedTuple

from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair

PARTS = ("embedding", "norms", "projections", "attention", "o_proj", "feed_forward", "head")
"""Kinds of modules in the order of the pass; `attention` is what stands between the projections."""


class Cost(NamedTuple):
    """FLOPs of the matrix products; numbers of its weights that are read, and of the tensors it is given."""

    flops: int
    weights: int
    given: int


def part_costs(config: ModelConfig, tokens: int, keys: int, head_tokens: int) -> dict[str, Cost]:
    """One row of `tokens` new tokens, each against `keys` keys, with the head at `head_tokens` of them.

    Masked pairs are counted, norms and look-ups have no FLOPs, and nothing is read twice. For a dense model.

    >>> costs = part_costs(ModelConfig(), 1, 512, 1)
    >>> costs["feed_forward"].flops, costs["attention"].given
    (34603008, 1052672)
    """
    hidden, layers, inner = config.hidden_size, config.num_layers, config.intermediate_size
    query, pair = config.num_heads * config.head_dim, 2 * config.num_kv_heads * config.head_dim
    sizes = {
        "projections": layers * hidden * (query + pair),
        "o_proj": layers * query * hidden,
        "feed_forward": layers * 3 * hidden * inner,
        "head": config.vocab_size * hidden,
        "norms": (2 * layers + 1) * hidden,
    }
    given = {
        "embedding": tokens * hidden,  # the rows that are looked up
        "norms": tokens * (2 * layers + 1) * hidden,
        "projections": tokens * layers * hidden,
        "attention": layers * (tokens * query + keys * pair),
        "o_proj": tokens * layers * query,
        "feed_forward": tokens * layers * (hidden + inner),
        "head": head_tokens * hidden,
    }
    flops = {name: 2 * tokens * sizes[name] for name in ("projections", "o_proj", "feed_forward")}
    flops["attention"] = attention_flops_per_pair(config) * tokens * keys
    flops["head"] = 2 * head_tokens * sizes["head"]
    return {name: Cost(flops.get(name, 0), sizes.get(name, 0), given[name]) for name in PARTS}


def shares(amounts: dict[str, float]) -> dict[str, float]:
    """Each amount over their sum.

    >>> shares({"head": 1.0, "norms": 3.0})
    {'head': 0.25, 'norms': 0.75}
    """
    whole = sum(amounts.values())
    return {name: amount / whole for name, amount in amounts.items()}
