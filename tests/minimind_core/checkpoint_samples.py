"""Small models with random weights, and files as upstream MiniMind writes them, for the tests beside this."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minimind_core.errors import MiniMindError
from minimind_core.files.checkpoint import save_checkpoint
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind

TINY = ModelConfig(
    vocab_size=259,
    hidden_size=64,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=32,
    intermediate_size=192,
    max_length=32,
)
"""Fits the byte tokenizer; head_dim * num_heads differs from hidden_size; every matrix divides by 64."""
HF_TINY = {
    "vocab_size": 259,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
"""A shape for the byte tokenizer by transformers' names, its weights large enough to matter."""


def random_model(config: ModelConfig = TINY, seed: int = 0) -> MiniMind:
    """Weights large enough that positions and norms matter in the logits."""
    torch.manual_seed(seed)
    model = MiniMind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4).add_(torch.randn_like(parameter) * 0.1 if parameter.dim() == 1 else 0)
    return model


def random_state(config: ModelConfig = TINY, seed: int = 0) -> dict[str, Tensor]:
    return dict(random_model(config, seed).state_dict())


def random_ids(config: ModelConfig = TINY, batch_size: int = 2, length: int = 24) -> Tensor:
    """[batch_size, length] int64."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(3, config.vocab_size, (batch_size, length), generator=generator)


def save_tiny(folder: Path, seed: int = 0, config: ModelConfig = TINY, **options: Any) -> dict[str, Tensor]:
    state = random_state(config, seed)
    save_checkpoint(folder, config, state, **{"name": "tiny", "tokenizer": "byte", **options})
    return state


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return list(left) == list(right) and all(torch.equal(left[name], right[name]) for name in left)


PYTHONS_OWN_WORDS = re.compile(
    r"not supported between|unsupported operand|unexpected keyword|positional argument|"
    r"object (is not|has no)|NoneType|instances of|codec can't|recursion depth|sys\.set_|invalid literal|"
    r"__init__|Traceback|Error\b"
)
"""What is for programmers. A sentence for a person never has it."""


def sentence(call: Callable[[], object]) -> str:
    """The message of the MiniMindError that the call must raise; checked to be one sentence for a person."""
    with pytest.raises(MiniMindError) as caught:
        call()
    message = str(caught.value)
    assert message.endswith(".") and ". " not in message and "\n" not in message, message
    assert not PYTHONS_OWN_WORDS.search(message), message
    return message


def save_upstream_minimind2(path: Path) -> None:
    """As upstream saves the 26M: 75 entries, fp16, the tied matrix stored twice. 58 MB."""
    _save_upstream(path, hidden=512, kv_width=128, inner=1408, qk_norm=None, dense=True)


def save_upstream_minimind2_large(path: Path) -> None:
    """As upstream saves MiniMind2 (104M): hidden 768, 16 layers. Constant values, so the file is small."""
    _save_upstream(path, hidden=768, kv_width=2 * 96, inner=2048, qk_norm=None, dense=False, layers=16)


def save_upstream_minimind3(path: Path) -> None:
    """As upstream saves MiniMind-3's default: 91 entries, fp16. Values are constant, so the file is small."""
    _save_upstream(path, hidden=768, kv_width=4 * 96, inner=2432, qk_norm=96, dense=False)


def _save_upstream(
    path: Path, hidden: int, kv_width: int, inner: int, qk_norm: int | None, dense: bool, layers: int = 8
) -> None:
    """Names and shapes written out here, independent of minimind_core."""
    generator = torch.Generator().manual_seed(0)

    def tensor(*shape: int) -> Tensor:
        if dense:
            return (torch.randn(shape, generator=generator) * 0.02).half()
        return torch.full((1,), 0.01, dtype=torch.float16).expand(shape)

    state = {"model.embed_tokens.weight": tensor(6400, hidden)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        state |= {
            prefix + "self_attn.q_proj.weight": tensor(hidden, hidden),
            prefix + "self_attn.k_proj.weight": tensor(kv_width, hidden),
            prefix + "self_attn.v_proj.weight": tensor(kv_width, hidden),
            prefix + "self_attn.o_proj.weight": tensor(hidden, hidden),
        }
        if qk_norm:
            state |= {
                prefix + "self_attn.q_norm.weight": tensor(qk_norm),
                prefix + "self_attn.k_norm.weight": tensor(qk_norm),
            }
        state |= {
            prefix + "input_layernorm.weight": tensor(hidden),
            prefix + "post_attention_layernorm.weight": tensor(hidden),
            prefix + "mlp.gate_proj.weight": tensor(inner, hidden),
            prefix + "mlp.up_proj.weight": tensor(inner, hidden),
            prefix + "mlp.down_proj.weight": tensor(hidden, inner),
        }
    embedding = state["model.embed_tokens.weight"]
    state["model.norm.weight"] = tensor(hidden)
    state["lm_head.weight"] = embedding.clone() if dense else embedding
    torch.save(state, path)
