"""Names and shapes of a model's parameters: Hugging Face's Llama names. No torch here.

The one list that saving, loading, importing and exporting check against; it holds no values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minimind_core.errors import CheckpointError
from minimind_core.model.config import ModelConfig

EMBEDDING = "model.embed_tokens.weight"
LM_HEAD = "lm_head.weight"


def parameter_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every parameter of `MiniMind(config)` by its state-dict name, in the model's order.

    >>> parameter_shapes(ModelConfig())["model.layers.0.self_attn.k_proj.weight"]
    (128, 512)
    """
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (config.vocab_size, config.hidden_size)}
    for layer in range(config.num_layers):
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in _layer(config).items()}
    shapes["model.norm.weight"] = (config.hidden_size,)
    if config.position == "learned":
        shapes["model.embed_positions.weight"] = (config.max_length, config.hidden_size)
    if not config.tie_word_embeddings:
        shapes[LM_HEAD] = (config.vocab_size, config.hidden_size)
    return shapes


def _layer(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    hidden = config.hidden_size
    query_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    norms = {"self_attn.q_norm": (config.head_dim,), "self_attn.k_norm": (config.head_dim,)}
    return {
        "input_layernorm": (hidden,),
        "self_attn.q_proj": (query_width, hidden),
        "self_attn.k_proj": (kv_width, hidden),
        "self_attn.v_proj": (kv_width, hidden),
        "self_attn.o_proj": (hidden, query_width),
        **(norms if config.qk_norm else {}),
        "post_attention_layernorm": (hidden,),
        **_feed_forward(config),
    }


def _feed_forward(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    hidden, inner = config.hidden_size, config.intermediate_size
    one = {"gate_proj": (inner, hidden), "up_proj": (inner, hidden), "down_proj": (hidden, inner)}
    if not config.num_experts:
        return {f"mlp.{name}": shape for name, shape in one.items()}
    experts = [f"experts.{index}" for index in range(config.num_experts)]
    experts += [f"shared_experts.{index}" for index in range(config.n_shared_experts)]
    routed = {f"mlp.{expert}.{name}": shape for expert in experts for name, shape in one.items()}
    return {"mlp.gate": (config.num_experts, hidden), **routed}


def check_parameters(shapes: Mapping[str, Sequence[int]], config: ModelConfig, source: str) -> None:
    """Raise CheckpointError unless `shapes`, by name, are just those that the model needs.

    `source` names the file or folder in the sentence, which says which tensor and what was expected.
    """
    if config.num_layers * (1 + config.num_experts + config.n_shared_experts) > len(shapes):
        raise CheckpointError(
            f"{source} holds {len(shapes)} tensors, too few for {config.num_layers} layers; "
            "choose weights that belong to this configuration.",
            key="checkpoint.too_few",
            path=source,
            count=len(shapes),
            layers=config.num_layers,
        )
    expected = parameter_shapes(config)
    for name, shape in expected.items():
        if name not in shapes:
            raise CheckpointError(
                f"{source} lacks tensor {name!r} of shape {list(shape)}; "
                "choose weights that belong to this configuration.",
                key="checkpoint.no_tensor",
                path=source,
                tensor=name,
            )
        if tuple(shapes[name]) != shape:
            raise CheckpointError(
                f"{source}: tensor {name!r} has shape {list(shapes[name])}, expected "
                f"{list(shape)}; choose weights that belong to this configuration.",
                key="checkpoint.shape",
                path=source,
                tensor=name,
                found=list(shapes[name]),
                expected=list(shape),
            )
    foreign = next((name for name in shapes if name not in expected), None)
    if foreign is not None:
        raise CheckpointError(
            f"{source}: tensor {foreign!r} has no place in this model; "
            "choose the weights of a plain MiniMind, Llama or Qwen3 model.",
            key="checkpoint.foreign_tensor",
            path=source,
            tensor=foreign,
        )
