"""Read official MiniMind checkpoints: a `.pth` state dict, or a transformers folder.

Shapes come from the tensors. What tensors do not show (head count, RoPE base, eps, trained length) comes
from config.json, else from the defaults of the family, and `meta["assumed"]` lists the values that
were taken so. Reads Llama and Qwen3 shapes and their mixtures of experts as MiniMind and Qwen3 have them: no
adapters, no biases.
Source of names and defaults: jingyaogong/minimind at d65ef2c.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from minimind_core.errors import CheckpointError, ConfigError, TokenizerError, require
from minimind_core.files.checkpoint_config import CONFIG_FILE, AnyPath, is_native, read_json
from minimind_core.files.hf_config import read_hf_config
from minimind_core.files.tensor_files import (
    check_memory,
    check_values,
    find_weight_files,
    read_tensors,
    to_float32,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.parameter_shapes import EMBEDDING, LM_HEAD, check_parameters
from minimind_core.progress import OnProgress, unheard
from minimind_core.tokenizer import Tokenizer, load_tokenizer

Q_PROJ, K_PROJ = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight"
GATE_PROJ, Q_NORM = "model.layers.0.mlp.gate_proj.weight", "model.layers.0.self_attn.q_norm.weight"
EXPERT_GATE_PROJ = "model.layers.0.mlp.experts.0.gate_proj.weight"
UPSTREAM_DEFAULTS: dict[str, dict[str, Any]] = {
    "MiniMind2": {"num_heads": 8, "rms_norm_eps": 1e-5, "rope_theta": 1e6, "max_length": 512},
    "MiniMind-3": {"rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_length": 768},
}
"""What tensors do not show, by family; max_length is the longest text of the last training stage."""
UPSTREAM_ROUTING: dict[str, dict[str, Any]] = {
    "MiniMind2": {"num_experts_per_tok": 2, "norm_topk_prob": True},
    "MiniMind-3": {"num_experts_per_tok": 1, "norm_topk_prob": True},
}
"""The same of a mixture of experts."""
FOREIGN_NAMES = {
    r"^vision_(encoder|proj)\.": "belongs to MiniMind-V, which also sees pictures; choose a text model",
    r"^(talker|audio_(encoder|proj))\.": "belongs to MiniMind-O, which also hears; choose a text model",
    r"\.experts\.(gate_up|down)_proj$": "stacks its experts; save it with transformers' save_pretrained",
    r"\.block_sparse_moe\.|\.shared_expert(_gate)?\.": "mixes experts in another way; choose a MiniMind",
    r"\.lora\.|lora_[AB]\.": "is a LoRA adapter; merge it into its base model first",
    r"^tok_embeddings\.": "is older than MiniMind's names of April 2025; choose a later release",
    r"\.bias$": "has biases, which MiniMind does not; choose a plain Llama or Qwen3 checkpoint",
}
"""Names of tensors that tell another kind of checkpoint, the most telling first."""


class Imported(NamedTuple):
    """A foreign checkpoint in our own terms."""

    config: ModelConfig
    state_dict: dict[str, Tensor]
    """fp32, by the names of `parameter_shapes`."""
    tokenizer: Tokenizer
    meta: dict[str, Any]
    """name, format, family, dtype of the files, fingerprints, and `assumed`: settings that no file holds."""


def import_minimind(
    path: AnyPath, tokenizer: AnyPath | None = None, on_progress: OnProgress = unheard
) -> Imported:
    """Read a `.pth` file or a transformers folder. Never runs code from the file.

    `tokenizer` is where the tokenizer lies; None looks inside the folder, beside the `.pth` file, and in
    `../model` as upstream's repository has it. `on_progress` is given the bytes read so far and those of all
    files. Raises CheckpointError or TokenizerError, one sentence each.
    """
    source = Path(path)
    folder = _described_by(source)
    settings = read_hf_config(read_json(folder / CONFIG_FILE), source) if folder else {}
    files = find_weight_files(source) if source.is_dir() else [source]
    stored, fingerprint = read_tensors(files, on_progress)
    _refuse_foreign_names(stored, source)
    check_memory(stored, source)
    state_dict = {
        name: to_float32(name, tensor, source)
        for name, tensor in stored.items()
        if not name.endswith("rotary_emb.inv_freq")
    }  # a table that old transformers stored
    check_values(state_dict, source)
    loaded = load_tokenizer(tokenizer or folder or _tokenizer_near(source))
    family = "MiniMind-3" if Q_NORM in state_dict else "MiniMind2"
    defaults = UPSTREAM_DEFAULTS[family] | (UPSTREAM_ROUTING[family] if _has_experts(state_dict) else {})
    assumed = {key: value for key, value in defaults.items() if key not in settings}
    config = _config(state_dict, {**assumed, **settings}, loaded, source)
    if config.tie_word_embeddings:
        state_dict.pop(LM_HEAD, None)
    check_parameters({name: tensor.shape for name, tensor in state_dict.items()}, config, str(source))
    if loaded.vocab_size > config.vocab_size or (loaded.vocab_size < config.vocab_size and not folder):
        raise TokenizerError(
            f"{source} has a vocabulary of {config.vocab_size} but the tokenizer has "
            f"{loaded.vocab_size} entries; use the tokenizer that came with it.",
            key="tokenizer.size",
            path=str(source),
            vocabulary=config.vocab_size,
            entries=loaded.vocab_size,
        )
    meta = {
        "name": source.resolve().name if source.is_dir() else source.stem,
        "format": "transformers" if folder else "pth",
        "family": family,
        "assumed": assumed,
        "dtype": str(stored[EMBEDDING].dtype).removeprefix("torch."),
        "weights_fingerprint": fingerprint,
        "tokenizer_fingerprint": loaded.fingerprint,
    }
    return Imported(config, state_dict, loaded, meta)


def _described_by(source: Path) -> Path | None:
    """The folder whose config.json tells what these weights are; None for a `.pth`, which stands alone.

    Raises CheckpointError for a file beside a checkpoint of our own, which names its weights.
    """
    if source.is_dir():
        return source
    folder = source.parent
    if source.suffix not in (".safetensors", ".bin") or not (folder / CONFIG_FILE).is_file():
        return None
    if is_native(folder):
        raise CheckpointError(
            f"{source} is not among the weights that {folder / CONFIG_FILE} names; "
            "give the folder, or put the file into a folder of its own.",
            key="checkpoint.not_named",
            path=str(source),
            folder=str(folder),
        )
    return folder


def _refuse_foreign_names(state_dict: Mapping[str, Tensor], source: Path) -> None:
    """Raise CheckpointError for known other kinds of checkpoint, and where shapes could not be read."""
    for pattern, reason in FOREIGN_NAMES.items():
        for name in sorted(state_dict):  # files of one content name one tensor, whatever their order
            if re.search(pattern, name):
                raise CheckpointError(
                    f"{source} (tensor {name!r:.100}) {reason}.",
                    key="checkpoint.other_kind",
                    path=str(source),
                    tensor=name[:100],
                )
    gate_proj = _gate_proj(state_dict)
    for name, rank in ((EMBEDDING, 2), (Q_PROJ, 2), (K_PROJ, 2), (gate_proj, 2), (Q_NORM, 1)):
        tensor = state_dict.get(name)
        if tensor is None and name != Q_NORM:
            raise CheckpointError(
                f"{source} lacks tensor {name!r}; choose a MiniMind, Llama or Qwen3 checkpoint.",
                key="checkpoint.no_tensor",
                path=str(source),
                tensor=name,
            )
        if tensor is not None and (tensor.dim() != rank or tensor.numel() == 0):
            raise CheckpointError(
                f"{source}: tensor {name!r} has shape {list(tensor.shape)}, expected "
                f"{rank} dimensions; choose a MiniMind, Llama or Qwen3 checkpoint.",
                key="checkpoint.rank",
                path=str(source),
                tensor=name,
                found=str(list(tensor.shape)),
                rank=rank,
            )


def _has_experts(state_dict: Mapping[str, Tensor]) -> bool:
    return EXPERT_GATE_PROJ in state_dict


def _gate_proj(state_dict: Mapping[str, Tensor]) -> str:
    """The name of the first gate of a feed-forward, from which its width is read."""
    return EXPERT_GATE_PROJ if _has_experts(state_dict) else GATE_PROJ


def _config(
    state_dict: Mapping[str, Tensor], settings: Mapping[str, Any], tokenizer: Tokenizer, source: Path
) -> ModelConfig:
    """Shapes from the tensors, the rest from `settings`, which may repeat but not contradict them."""
    ids = {"pad_id": tokenizer.pad_id, "bos_id": tokenizer.bos_id, "eos_id": tokenizer.eos_id}
    try:
        shape = _shape_of(state_dict, settings)
        unset = [name for name in ids if _is_unset(settings.get(name), name, shape["vocab_size"])]
        told = {name: value for name, value in settings.items() if name not in unset}
        config = ModelConfig(**{**ids, **told, **shape})
    except ConfigError as error:
        raise CheckpointError(
            f"{source} does not tell a usable shape ({error}); "
            "choose a transformers folder with its own config.json.",
            key="checkpoint.no_shape",
            path=str(source),
            reason=str(error),
        ) from error
    for key, value in shape.items():
        if key != "tie_word_embeddings" and settings.get(key, value) != value:
            raise CheckpointError(
                f"{source}: config.json says {key}={settings[key]!r} but the tensors have "
                f"{value}; choose weights that belong to this configuration.",
                key="checkpoint.contradiction",
                path=str(source),
                name=key,
                told=str(settings[key]),
                found=str(value),
            )
    return config


def _is_unset(token_id: Any, name: str, vocab_size: int) -> bool:
    """Whether an id is none: below 0, as old converters wrote it; or padding beyond the vocabulary."""
    is_whole = isinstance(token_id, int) and not isinstance(token_id, bool)
    return is_whole and (token_id < 0 or (name == "pad_id" and token_id >= vocab_size))


def _shape_of(state_dict: Mapping[str, Tensor], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ModelConfig that the tensors tell, given the head count where no norm tells it."""
    layers, routed, shared = (
        {match[1] for name in state_dict if (match := re.match(rf"model\.layers\.{pattern}\.", name))}
        for pattern in (r"(\d+)", r"0\.mlp\.experts\.(\d+)", r"0\.mlp\.shared_experts\.(\d+)")
    )
    embedding, head = state_dict[EMBEDDING], state_dict.get(LM_HEAD)
    query_width, kv_width = len(state_dict[Q_PROJ]), len(state_dict[K_PROJ])
    qk_norm = Q_NORM in state_dict
    head_dim = len(state_dict[Q_NORM]) if qk_norm else _head_dim(query_width, settings["num_heads"])
    tied = head is None or settings.get("tie_word_embeddings") is True or torch.equal(head, embedding)
    return {
        "vocab_size": embedding.shape[0],
        "hidden_size": embedding.shape[1],
        "num_layers": len(layers),
        "num_heads": query_width // head_dim,
        "num_kv_heads": kv_width // head_dim,
        "head_dim": head_dim,
        "intermediate_size": len(state_dict[_gate_proj(state_dict)]),
        "num_experts": len(routed),
        "n_shared_experts": len(shared),
        "qk_norm": qk_norm,
        "tie_word_embeddings": tied,
    }


def _head_dim(query_width: int, num_heads: Any) -> int:
    """What each of so many heads has of the queries. Raises ConfigError for what is no number of heads."""
    is_whole = isinstance(num_heads, int) and not isinstance(num_heads, bool)
    require(is_whole and 1 <= num_heads <= query_width, f"num_heads cannot be {num_heads!r:.40}.")
    return query_width // int(num_heads)


def _tokenizer_near(weights: Path) -> Path:
    """The folder that holds a `.pth` file's tokenizer. Raises TokenizerError if there is none."""
    for folder in (weights.parent, weights.resolve().parent.parent / "model"):
        if (folder / "tokenizer.json").is_file():
            return folder
    raise TokenizerError(
        f"{weights} needs the tokenizer that it was trained with (ours has other ids); "
        "put its tokenizer.json beside it.",
        key="tokenizer.needed",
        path=str(weights),
    )
