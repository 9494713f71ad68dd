"""Translate between ModelConfig and a Hugging Face config.json. No torch, no transformers.

Writes LlamaForCausalLM, or Qwen3ForCausalLM where queries and keys are normed; reads these and MiniMind's
own class. Knows nothing of weights, and refuses what our model cannot compute rather than dropping it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minimind_core.errors import CheckpointError, ConfigError
from minimind_core.model.config import ModelConfig, RopeScaling

FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "num_key_value_heads": "num_kv_heads",
    "head_dim": "head_dim",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_length",
    "rms_norm_eps": "rms_norm_eps",
    "tie_word_embeddings": "tie_word_embeddings",
    "pad_token_id": "pad_id",
    "bos_token_id": "bos_id",
    "eos_token_id": "eos_id",
}
"""Hugging Face's name -> ours, where the value is the same."""
READABLE_TYPES = ("llama", "qwen3", "minimind")
MUST_BE = {
    "use_moe": False,
    "attention_bias": False,
    "mlp_bias": False,
    "use_sliding_window": False,
    "hidden_act": "silu",
    "quantization_config": None,
}
"""Settings of config.json that would change the computation, with the only value that ours matches."""
YARN_FIELDS = {
    "factor": "factor",
    "original_max_position_embeddings": "original_length",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
    "attention_factor": "attention_factor",
}


def write_hf_config(config: ModelConfig, dtype: str) -> dict[str, Any]:
    """config.json for a model whose tensors are stored as `dtype` ("float32", "bfloat16", "float16").

    RoPE is written twice, as transformers 4 (and llama.cpp) and as transformers 5 read it. Static NTK
    becomes the larger base that it is. Raises ConfigError for positions that Llama does not have.
    """
    if config.position != "rope":
        raise ConfigError(
            f"Llama has RoPE only, so position={config.position!r} cannot be exported; "
            "choose a model with position='rope'."
        )
    theta, scaling, max_length = _hf_rope(config)
    llama = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "mlp_bias": False}
    qwen3 = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "use_sliding_window": False,
        "sliding_window": None,
        "max_window_layers": config.num_layers,
    }
    values = {theirs: getattr(config, ours) for theirs, ours in FIELDS.items()}
    return {
        **(qwen3 if config.qk_norm else llama),
        **values,
        "max_position_embeddings": max_length,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_cache": True,
        "initializer_range": 0.02,
        "rope_theta": theta,
        "rope_scaling": scaling,
        "rope_parameters": {"rope_type": "default", **(scaling or {}), "rope_theta": theta},
        "dtype": dtype,
        "torch_dtype": dtype,
    }


def read_hf_config(data: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """The settings of a config.json as fields of ModelConfig; those that it lacks are left out.

    Raises CheckpointError for a model type, activation, bias or RoPE variant that ours is not.
    """
    model_type = str(data.get("model_type"))
    if not model_type.startswith(READABLE_TYPES):
        raise CheckpointError(
            f"{source} is a model of type {model_type!r}; choose one of {', '.join(READABLE_TYPES)}.",
            key="checkpoint.model_type",
            path=str(source),
            kind=model_type,
            known=", ".join(READABLE_TYPES),
        )
    for key, value in MUST_BE.items():
        if data.get(key, value) != value:
            raise CheckpointError(
                f"{source} has {key}={data[key]!r}, which MiniMind does not compute; "
                f"choose a model with {key}={value!r}.",
                key="checkpoint.setting",
                path=str(source),
                name=key,
                found=str(data[key]),
                wanted=str(value),
            )
    settings = {ours: data[theirs] for theirs, ours in FIELDS.items() if data.get(theirs) is not None}
    if isinstance(settings.get("eos_id"), list):  # any of these ends a text; ours has one
        settings["eos_id"] = next(iter(settings["eos_id"]), None)
    scalings = [data.get(key) or {} for key in ("rope_scaling", "rope_parameters")]
    if not all(isinstance(scaling, dict) for scaling in scalings):
        raise CheckpointError(
            f"{source} has an unusable rope_scaling; mend its config.json.",
            key="checkpoint.rope_scaling",
            path=str(source),
        )
    rope = scalings[0] | scalings[1]
    theta = rope.pop("rope_theta", data.get("rope_theta"))
    if theta is not None:
        settings["rope_theta"] = theta
    return {**settings, **_rope_scaling(rope, settings.get("max_length"), source)}


def _hf_rope(config: ModelConfig) -> tuple[float, dict[str, Any] | None, int]:
    """Base, scaling dictionary and reachable length in Hugging Face's terms."""
    scaling = config.rope_scaling
    if scaling is None:
        return config.rope_theta, None, config.max_length
    max_length = int(scaling.factor * scaling.original_length)
    if scaling.kind == "yarn":
        fields = {theirs: getattr(scaling, ours) for theirs, ours in YARN_FIELDS.items()}
        given = {key: value for key, value in fields.items() if value is not None}
        return config.rope_theta, {"rope_type": "yarn", **given}, max_length
    if scaling.attention_factor not in (None, 1.0):
        raise ConfigError(f"Llama has no attention_factor with {scaling.kind!r}; leave it out to export.")
    if scaling.kind == "pi":
        return config.rope_theta, {"rope_type": "linear", "factor": scaling.factor}, max_length
    stretched = config.rope_theta * scaling.factor ** (config.head_dim / (config.head_dim - 2))
    return stretched, None, max_length


def _rope_scaling(rope: Mapping[str, Any], max_length: int | None, source: Path) -> dict[str, Any]:
    """`rope_scaling`, and the trained length before stretching, out of a scaling dictionary."""
    kind = rope.get("rope_type", rope.get("type", "default"))
    settings = {key: value for key, value in rope.items() if key not in ("rope_type", "type")}
    allowed = {"default": (), "linear": ("factor",), "yarn": tuple(YARN_FIELDS)}.get(kind)
    foreign = kind if allowed is None else next((key for key in settings if key not in allowed), None)
    if foreign is not None:
        raise CheckpointError(
            f"{source} stretches RoPE by {foreign!r}, which MiniMind does not compute; "
            "choose a model with rope_type default, linear or yarn.",
            key="checkpoint.rope_type",
            path=str(source),
            kind=str(foreign),
        )
    if kind == "default":
        return {}
    try:
        if kind == "linear":
            trained = int((max_length or 512) / settings["factor"])
            return {"rope_scaling": RopeScaling("pi", settings["factor"], trained), "max_length": trained}
        scaling = RopeScaling("yarn", **{YARN_FIELDS[key]: value for key, value in settings.items()})
        return {"rope_scaling": scaling, "max_length": scaling.original_length}
    except (ConfigError, KeyError, TypeError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{source} has an unusable rope_scaling ({error}); mend its config.json.",
            key="checkpoint.rope_scaling",
            path=str(source),
        ) from error
