"""Translate between ModelConfig and a Hugging Face config.json. No torch, no transformers.

Writes LlamaForCausalLM, with a norm of queries and keys Qwen3ForCausalLM, and with experts besides
Qwen3MoeForCausalLM; reads these and MiniMind's own class. Knows nothing of weights, and refuses what our
model cannot compute rather than dropping it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minimind_core.errors import CheckpointError, ConfigError
from minimind_core.files.rope_dictionary import (
    ORIGINAL,
    YARN_FIELDS,
    read_rope_dictionary,
    write_rope_dictionary,
)
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
READABLE_TYPES = ("llama", "qwen3", "qwen3_moe", "minimind")
OTHER_TYPES = {
    "minimind-v": "MiniMind-V, which also sees pictures",
    "minimind-o": "MiniMind-O, which also hears and speaks",
    "qwen2_moe": "a mixture of experts with a gate before its shared one",
    "mixtral": "a mixture of experts under names of its own",
}
"""What people bring besides, in words."""
MUST_BE = {
    "scoring_func": "softmax",
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "attention_bias": False,
    "mlp_bias": False,
    "use_sliding_window": False,
    "hidden_act": "silu",
    "quantization_config": None,
}
"""Settings of config.json that would change the computation, with the only value that ours matches."""
DEFAULT_LENGTHS = {"llama": 2048, "qwen3": 32768, "qwen3_moe": 32768, "minimind": 32768}
"""max_position_embeddings of a config.json that is silent on it, by model type; only scaling asks for it."""
EXPERT_FIELDS = {
    "num_experts": "num_experts",  # MiniMind-3 and transformers 4
    "num_local_experts": "num_experts",  # transformers 5
    "n_routed_experts": "num_experts",  # MiniMind2
    "moe_intermediate_size": "intermediate_size",
    "num_experts_per_tok": "num_experts_per_tok",
    "n_shared_experts": "n_shared_experts",
    "norm_topk_prob": "norm_topk_prob",
}
"""The same for a mixture of experts."""
UPSTREAM_YARN = RopeScaling("yarn", 16, 2048, 32, 1, 1.0)
"""What MiniMind's own class computes where `inference_rope_scaling` is on, since December 2025."""


def write_hf_config(config: ModelConfig, dtype: str) -> dict[str, Any]:
    """config.json for a model whose tensors are stored as `dtype` ("float32", "bfloat16", "float16").

    RoPE is written twice, as transformers 4 (and llama.cpp) and as transformers 5 read it. Static NTK
    becomes the larger base that it is. Raises ConfigError for positions and experts that no class there has.
    """
    if config.position != "rope":
        raise ConfigError(
            f"Llama has RoPE only, so position={config.position!r} cannot be exported; "
            "choose a model with position='rope'."
        )
    theta, scaling, max_length = _hf_rope(config)
    values = {theirs: getattr(config, ours) for theirs, ours in FIELDS.items()}
    return {
        **_architecture(config),
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


def _architecture(config: ModelConfig) -> dict[str, Any]:
    """The class of transformers that computes this model, and what only that class asks for."""
    if not config.qk_norm and not config.num_experts:
        return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "mlp_bias": False}
    qwen3 = {"use_sliding_window": False, "sliding_window": None, "max_window_layers": config.num_layers}
    if not config.num_experts:
        return {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", **qwen3}
    if config.n_shared_experts or not config.qk_norm:
        raise ConfigError(
            "transformers has no class for experts that are shared, or come without a norm of queries and "
            "keys, as in MiniMind2; export a dense model or a mixture of experts like MiniMind-3's."
        )
    return {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        **qwen3,
        "num_experts": config.num_experts,
        "num_experts_per_tok": config.num_experts_per_tok,
        "moe_intermediate_size": config.intermediate_size,
        "norm_topk_prob": config.norm_topk_prob,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def read_hf_config(data: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """The settings of a config.json as fields of ModelConfig; those that it lacks are left out.

    Raises CheckpointError for a model type, activation, bias or RoPE variant that ours is not.
    """
    model_type = str(data.get("model_type"))
    if model_type not in READABLE_TYPES:
        what = OTHER_TYPES.get(model_type)
        raise CheckpointError(
            f"{source} is a model of type {model_type!r:.60}{f' ({what})' if what else ''}; "
            f"choose one of {', '.join(READABLE_TYPES)}.",
            key="checkpoint.model_type",
            path=str(source),
            kind=model_type[:60],
            known=", ".join(READABLE_TYPES),
        )
    for key, value in MUST_BE.items():
        if data.get(key, value) != value:
            raise CheckpointError(
                f"{source} has {key}={data[key]!r:.60}, which MiniMind Lab does not compute; "
                f"choose a model with {key}={value!r}.",
                key="checkpoint.setting",
                path=str(source),
                name=key,
                found=str(data[key])[:60],
                wanted=str(value),
            )
    settings = {ours: data[theirs] for theirs, ours in FIELDS.items() if data.get(theirs) is not None}
    settings |= _experts(data, model_type)
    if isinstance(settings.get("eos_id"), list):  # any of these ends a text; ours has one
        settings["eos_id"] = next(iter(settings["eos_id"]), None)
    rope = _rope_dictionary(data, source)
    theta = rope.pop("rope_theta", None)
    theta = data.get("rope_theta") if theta is None else theta
    if theta is not None:
        settings["rope_theta"] = theta
    if model_type == "minimind":
        return {**settings, **_upstream_scaling(data, rope, source)}
    return {**settings, **_rope_scaling(rope, data.get("max_position_embeddings"), model_type, source)}


def _experts(data: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """What config.json says of experts. MiniMind's says it of a dense model, too, which has none."""
    if not (model_type == "qwen3_moe" or (model_type == "minimind" and data.get("use_moe"))):
        return {"num_experts": 0}
    told = {ours: data[theirs] for theirs, ours in EXPERT_FIELDS.items() if data.get(theirs) is not None}
    if model_type == "qwen3_moe":
        return {
            "norm_topk_prob": False,
            **told,
        }  # transformers' default; MiniMind's are those of its families
    if "n_routed_experts" in data and told.get("num_experts_per_tok") == 1:
        told["norm_topk_prob"] = False  # MiniMind2 norms the weights of two and more
    return told


def _rope_dictionary(data: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """What transformers 4 wrote as `rope_scaling` and 5 writes as `rope_parameters`, the base included."""
    scalings = [data.get(key) or {} for key in ("rope_scaling", "rope_parameters")]
    if not all(isinstance(scaling, dict) for scaling in scalings):
        raise _unusable(source, "it is no dictionary")
    rope = scalings[0] | scalings[1]
    apart = data.get(ORIGINAL)  # as Phi-3 has it: before the dictionary's own
    if apart is not None and rope.get("rope_type", rope.get("type")) == "yarn":
        rope[ORIGINAL] = apart
    return rope


def _hf_rope(config: ModelConfig) -> tuple[float, dict[str, Any] | None, int]:
    """Base, scaling dictionary and reachable length in Hugging Face's terms."""
    scaling = config.rope_scaling
    if scaling is None:
        return config.rope_theta, None, config.max_length
    max_length = int(scaling.factor * scaling.original_length)
    if scaling.kind != "yarn" and scaling.attention_factor not in (None, 1.0):
        raise ConfigError(f"Llama has no attention_factor with {scaling.kind!r}; leave it out to export.")
    if scaling.kind != "ntk":
        return config.rope_theta, write_rope_dictionary(scaling), max_length
    stretched = config.rope_theta * scaling.factor ** (config.head_dim / (config.head_dim - 2))
    return stretched, None, max_length


def _rope_scaling(rope: Mapping[str, Any], max_length: Any, model_type: str, source: Path) -> dict[str, Any]:
    """`rope_scaling`, and the trained length before stretching, out of a scaling dictionary."""
    length = DEFAULT_LENGTHS[model_type] if max_length is None else max_length
    try:
        scaling = read_rope_dictionary(rope, length)
    except ConfigError as error:
        if error.key in ("rope.kind", "rope.field"):
            raise CheckpointError(
                f"{source} stretches RoPE by {error.values['name']!r}, which MiniMind does not compute; "
                "choose a model with rope_type default, linear or yarn.",
                key="checkpoint.rope_type",
                path=str(source),
                kind=error.values["name"],
            ) from error
        raise _unusable(source, str(error)) from error
    except TypeError as error:  # a length that is no number
        raise _unusable(source, f"max_position_embeddings is {length!r:.40}") from error
    return {} if scaling is None else {"rope_scaling": scaling, "max_length": scaling.original_length}


def _upstream_scaling(data: Mapping[str, Any], rope: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """What MiniMind's own class makes of its config.json: it obeys the switch and ignores the dictionary.

    Raises CheckpointError where the dictionary is that of October 2025, whose formula was another.
    """
    length = data.get("max_position_embeddings", DEFAULT_LENGTHS["minimind"])
    if not data.get("inference_rope_scaling") or (
        isinstance(length, int) and length <= UPSTREAM_YARN.original_length
    ):
        return {}
    stored = {ours: rope[theirs] for theirs, ours in YARN_FIELDS.items() if rope.get(theirs) is not None}
    if any(getattr(UPSTREAM_YARN, name) != value for name, value in stored.items()):
        raise CheckpointError(
            f"{source} stretches RoPE by MiniMind's formula of October 2025, which was replaced; "
            "choose a later release, or set inference_rope_scaling to false.",
            key="checkpoint.old_yarn",
            path=str(source),
        )
    return {"rope_scaling": UPSTREAM_YARN, "max_length": UPSTREAM_YARN.original_length}


def _unusable(source: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{source} has an unusable rope_scaling ({reason.rstrip('.')}); mend its config.json.",
        key="checkpoint.rope_scaling",
        path=str(source),
    )
