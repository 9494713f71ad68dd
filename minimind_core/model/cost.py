"""What a model costs: parameters, floating-point operations, bytes. Plain integers, no torch.

Counts what the matrix multiplications do, as torch's FlopCounterMode does; norms, softmax and
rotations are left out. A multiply-add is two operations.
"""

from __future__ import annotations

from typing import Literal

from minimind_core.model.config import ModelConfig


def parameter_counts(config: ModelConfig) -> dict[str, int]:
    """Parameters by the part of the model that holds them; the values add up to `num_parameters`.

    >>> parameter_counts(ModelConfig())["feed_forward"]
    17301504
    """
    hidden, layers = config.hidden_size, config.num_layers
    feed_forwards = config.num_experts + config.n_shared_experts if config.num_experts else 1
    query_width = config.num_heads * config.head_dim
    kv_width = config.num_kv_heads * config.head_dim
    qk_norms = 2 * config.head_dim if config.qk_norm else 0
    return {
        "embedding": config.vocab_size * hidden,
        "positions": config.max_length * hidden if config.position == "learned" else 0,
        "attention": layers * (2 * hidden * query_width + 2 * hidden * kv_width),
        "feed_forward": layers * feed_forwards * 3 * hidden * config.intermediate_size,
        "router": layers * hidden * config.num_experts,
        "norms": layers * (2 * hidden + qk_norms) + hidden,
        "lm_head": 0 if config.tie_word_embeddings else config.vocab_size * hidden,
    }


def num_parameters(config: ModelConfig) -> int:
    """All parameters; a tied matrix counts once.

    >>> num_parameters(ModelConfig())
    25829888
    """
    return sum(parameter_counts(config).values())


def active_parameters(config: ModelConfig) -> int:
    """Parameters that one token meets: all but the experts that it is not sent through.

    >>> active_parameters(ModelConfig(num_experts=4)) - active_parameters(ModelConfig())  # the router
    16384
    """
    return num_parameters(config) - _passive_parameters(config)


def _passive_parameters(config: ModelConfig) -> int:
    """Those of the experts that one token is not sent through."""
    passive = config.num_experts - config.num_experts_per_tok if config.num_experts else 0
    return config.num_layers * passive * 3 * config.hidden_size * config.intermediate_size


def matmul_parameters(config: ModelConfig) -> dict[str, int]:
    """Weights that one token is multiplied with: in the layers, and in the head."""
    counts = parameter_counts(config)
    layers = counts["attention"] + counts["feed_forward"] + counts["router"]
    return {"layers": layers - _passive_parameters(config), "head": config.vocab_size * config.hidden_size}


def attention_flops_per_pair(config: ModelConfig) -> int:
    """Operations for one query-key pair over all heads and layers: scores plus weighted values.

    >>> attention_flops_per_pair(ModelConfig())
    16384
    """
    return 4 * config.num_heads * config.head_dim * config.num_layers


def forward_flops(
    config: ModelConfig, batch_size: int, seq_len: int, logits: Literal["all", "last"] = "all"
) -> int:
    """Operations of one forward over [batch_size, seq_len], every query against every key.

    This is what the eager attention path does and FlopCounterMode counts: masked pairs are computed
    too. Of a mixture of experts it is what each token needs; a GPU computes every expert (`feed_forward.py`).
    `logits="last"` applies the head to the last position only.

    >>> forward_flops(ModelConfig(), 2, 5)
    517242880
    """
    weights = matmul_parameters(config)
    head_tokens = batch_size * (seq_len if logits == "all" else 1)
    linear = 2 * batch_size * seq_len * weights["layers"] + 2 * head_tokens * weights["head"]
    return linear + attention_flops_per_pair(config) * batch_size * seq_len * seq_len


def decode_flops(config: ModelConfig, batch_size: int, context_length: int) -> int:
    """Operations of one cached step: one new token a row against `context_length` keys, itself included."""
    weights = matmul_parameters(config)
    return batch_size * (
        2 * (weights["layers"] + weights["head"]) + attention_flops_per_pair(config) * context_length
    )


def training_flops_per_token(config: ModelConfig, seq_len: int) -> int:
    """Operations a trained token costs: forward plus twice that for backward, causal pairs only."""
    weights = matmul_parameters(config)
    pairs_per_token = (seq_len + 1) / 2
    return int(
        3 * (2 * (weights["layers"] + weights["head"]) + attention_flops_per_pair(config) * pairs_per_token)
    )


def kv_cache_bytes(config: ModelConfig, batch_size: int, length: int, bytes_per_element: int = 2) -> int:
    """Bytes of keys and values for `length` cached tokens in each of `batch_size` rows.

    >>> kv_cache_bytes(ModelConfig(), 1, 2048)
    8388608
    """
    elements_per_token = 2 * config.num_layers * config.num_kv_heads * config.head_dim
    return elements_per_token * length * batch_size * bytes_per_element


def weight_bytes(config: ModelConfig, bytes_per_element: int = 2) -> int:
    """Bytes of all weights at one width.

    >>> weight_bytes(ModelConfig())
    51659776
    """
    return num_parameters(config) * bytes_per_element
