"""What a published `config.json` says of a cache, under the names that its makers happen to use. No torch.

Not every name is known: what is missing is asked for by name, and nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract.fields import ParamError
from labs.q12_kv_cache.cache_sizes import Attention

FIELD = "own_config"
EXAMPLE = (
    '{"num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, '
    '"head_dim": 128, "hidden_size": 4096}'
)
MOST = 10_000_000
"""Of any number in it that is used here."""
INSIDE = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where a model that also sees or hears keeps the settings of its decoder."""
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
QUERY_HEADS = ("num_attention_heads", "n_head", "n_heads")
HIDDEN = ("hidden_size", "n_embd", "d_model")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
HEAD_DIM = ("head_dim", "kv_channels")
FULL = ("full_attention", "attention", "global", "hybrid")
LOCAL = ("sliding_attention", "chunked_attention", "local", "local_attention")
"""What layers that keep everything, or a window, are called in a list of them; any other keeps no cache."""


def attention_of(text: str) -> Attention:
    """The attention that a config.json describes. Raises ParamError with one sentence."""
    config = _decoder(text)
    layers, query_heads = _number(config, LAYERS), _number(config, QUERY_HEADS)
    hidden = _number(config, HIDDEN)
    kinds, window = _kinds(config, layers), _window(config)
    shared = _number(config, ("num_kv_shared_layers",), 0)
    kinds = kinds[: max(1, layers - shared)]  # the last ones read the cache of another
    kept = [kind for kind in kinds if kind is not None]
    latent = _number(config, ("kv_lora_rank",), 0)
    head_dim = _number(config, HEAD_DIM, max(1, hidden // query_heads))
    kv_heads = _kv_heads(config, query_heads)
    local = sum(kind == "local" for kind in kept) if window else 0
    return Attention(
        layers=len(kept),
        query_heads=query_heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        hidden=hidden,
        window=window if local else 0,
        global_layers=len(kept) - local if local else 0,
        latent=latent > 0,
        latent_numbers=latent + _number(config, ("qk_rope_head_dim",), 0) if latent else 0,
        expanded_numbers=_expanded(config, query_heads) if latent else 0,
        all_layers=layers,
    )


def _decoder(text: str) -> Mapping[str, Any]:
    """The settings of the decoder itself."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise ParamError(
            "kind",
            FIELD,
            "This is no config.json: paste the whole file, from its first brace to its last.",
            key="q12.config_json",
        )
    for name in INSIDE:
        if isinstance(config.get(name), dict) and not any(layers in config for layers in LAYERS):
            return _decoder(json.dumps(config[name]))
    return config


def _number(config: Mapping[str, Any], names: Sequence[str], default: int | None = None) -> int:
    """A whole number under one of these names; without a default it has to be there, and at least 1."""
    for name in names:
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
            _refuse(name, value)
        if value or default is not None:
            return value
        _refuse(name, value)
    if default is None:
        raise ParamError(
            "kind",
            FIELD,
            f"This config has no {names[0]}: paste that of the language model, with all its settings.",
            key="q12.config_missing",
            name=names[0],
        )
    return default


def _refuse(name: str, value: Any) -> None:
    given = f"{value!r:.40}"
    raise ParamError(
        "kind",
        FIELD,
        f"{name} is {given} in this config; a whole number up to {MOST:,} is needed.",
        key="q12.config_value",
        name=name,
        given=given,
        most=MOST,
    )


def _kv_heads(config: Mapping[str, Any], query_heads: int) -> int:
    """As many as query heads unless told; `multi_query` (Falcon, StarCoder) is one, whatever else is told."""
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        return 1
    inner = config.get("attn_config")
    told = _number(inner, ("kv_n_heads",), 0) if isinstance(inner, dict) else 0  # MPT, DBRX
    return told or _number(config, KV_HEADS, query_heads)


def _expanded(config: Mapping[str, Any], query_heads: int) -> int:
    """Numbers of a token in a layer where keys and values are kept for every head."""
    parts = ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    return query_heads * sum(_number(config, (part,)) for part in parts)


def _window(config: Mapping[str, Any]) -> int:
    """Tokens that a local layer keeps; 0 where none is local."""
    if config.get("use_sliding_window") is False:
        return 0
    return _number(config, ("sliding_window", "attention_chunk_size", "sliding_window_size"), 0)


def _kinds(config: Mapping[str, Any], layers: int) -> list[str | None]:
    """Of every layer: "full", "local", or None where it keeps no keys and values."""
    listed = config.get("layer_types") or config.get("layers_block_type")
    if isinstance(listed, list) and len(listed) == layers:
        return ["full" if kind in FULL else "local" if kind in LOCAL else None for kind in listed]
    if every := _number(config, ("full_attention_interval",), 0):
        return ["full" if (layer + 1) % every == 0 else None for layer in range(layers)]
    if every := _number(config, ("attn_layer_period",), 0):
        offset = _number(config, ("attn_layer_offset",), 0)
        return ["full" if layer % every == offset else None for layer in range(layers)]
    if not _window(config):
        return ["full"] * layers
    alternating = 2 if config.get("model_type") == "gemma2" else 0  # which did not write it down
    if every := _number(config, ("sliding_window_pattern", "_sliding_window_pattern"), alternating):
        return ["full" if (layer + 1) % every == 0 else "local" for layer in range(layers)]
    first = _number(config, ("max_window_layers",), 0)  # Qwen: those before it keep everything
    return ["full" if layer < first else "local" for layer in range(layers)]
