"""transformers' own Llama, Qwen3 or Qwen3-MoE with the weights of a model of ours, for the other tests."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.minimind import MiniMind
from tests.minimind_core.checkpoint_samples import TINY, random_model

transformers = pytest.importorskip("transformers")

SHAPES: dict[str, ModelConfig] = {
    "gqa": TINY,
    "mha": TINY.replace(num_kv_heads=4, rope_theta=1e4),
    "mqa": TINY.replace(num_kv_heads=1),
    "untied": TINY.replace(tie_word_embeddings=False),
    "narrow heads": TINY.replace(num_heads=8, num_kv_heads=4, head_dim=8, num_layers=3),
    "yarn": TINY.replace(rope_scaling=RopeScaling("yarn", 4.0, 32)),
    "qwen3": TINY.replace(qk_norm=True, rms_norm_eps=1e-6),
    "qwen3 moe": TINY.replace(qk_norm=True, num_experts=4, num_experts_per_tok=2),
}
"""Every shape that transformers also has; qk_norm makes it a Qwen3, experts besides a Qwen3-MoE."""


def sample(shape: str) -> MiniMind:
    """Random weights of one of SHAPES."""
    model = random_model(SHAPES[shape])
    for name, parameter in model.named_parameters():
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            parameter.data.mul_(0.25)  # or the scores would be sixteen times as large as the others'
    return model


def twin(model: MiniMind) -> Any:
    """The same weights under transformers' forward, with attention written out (eager)."""
    config = model.config
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": config.rope_theta}
    if config.rope_scaling is not None:
        rope |= {
            "rope_type": "yarn",
            "factor": config.rope_scaling.factor,
            "original_max_position_embeddings": config.rope_scaling.original_length,
        }
    kind, experts = "Qwen3" if config.qk_norm else "Llama", {}
    if config.num_experts:
        kind = "Qwen3Moe"
        experts = {
            "num_experts": config.num_experts,
            "num_experts_per_tok": config.num_experts_per_tok,
            "norm_topk_prob": config.norm_topk_prob,
            "moe_intermediate_size": config.intermediate_size,
        }
    theirs = getattr(transformers, f"{kind}Config")(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_dim,
        max_position_embeddings=4 * config.max_length,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters=rope,
        tie_word_embeddings=config.tie_word_embeddings,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="eager",
        **experts,
    )
    llama = getattr(transformers, f"{kind}ForCausalLM")(theirs).eval()
    missing, unexpected = llama.load_state_dict(stacked(model), strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    llama.tie_weights()
    return llama


def stacked(model: MiniMind) -> dict[str, Tensor]:
    """The weights by transformers' names, which holds the experts of a layer in two tensors."""
    state, count = dict(model.state_dict()), model.config.num_experts
    for layer in range(model.config.num_layers if count else 0):
        name = f"model.layers.{layer}.mlp.experts"
        gates, ups, downs = (
            torch.stack([state.pop(f"{name}.{expert}.{part}.weight") for expert in range(count)])
            for part in ("gate_proj", "up_proj", "down_proj")
        )
        state |= {f"{name}.gate_up_proj": torch.cat([gates, ups], dim=1), f"{name}.down_proj": downs}
    return state


@torch.no_grad()
def twin_logits(model: MiniMind, ids: Tensor, **options: Any) -> Tensor:
    """ids [B, T] -> logits [B, T, V] of the twin."""
    return twin(model)(ids, **options).logits


def difference(left: Tensor, right: Tensor) -> float:
    """The largest absolute difference."""
    assert left.shape == right.shape, (left.shape, right.shape)
    return float((left - right).abs().max())
