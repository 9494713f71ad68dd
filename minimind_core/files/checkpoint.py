"""Checkpoints: a folder with config.json and safetensors, saved atomically and checked when loaded.

    config.json         format, name, shape of the model, dtype, tokenizer, fingerprints, how it was trained
    model.safetensors   the parameters, or model-0000i-of-0000N.safetensors and their index

With dtype int8 every matrix of whole groups is stored as `NAME` (int8) and `NAME.scale` (fp16); the
rest stays fp32. Holds no optimizer state (`trainer.py`) and reads no foreign files (`import_minimind.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minimind_core.atomic_file import write_flushed
from minimind_core.errors import CheckpointError
from minimind_core.files.atomic_folder import current_folder, replace_folder
from minimind_core.files.checkpoint_config import (
    CONFIG_FILE,
    FORMAT,
    FORMAT_VERSION,
    WEIGHTS_FOLDER,
    AnyPath,
    StoredDtype,
    is_native,
    locate,
    read_config,
)
from minimind_core.files.checkpoint_tokenizer import store_tokenizer, tokenizer_of
from minimind_core.files.import_minimind import import_minimind
from minimind_core.files.quantize import MAX_ABS, can_quantize, dequantize_int8, quantize_int8
from minimind_core.files.tensor_files import (
    check_values,
    combined_fingerprint,
    find_weight_files,
    read_tensors,
    safetensors_files,
    to_float32,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from minimind_core.model.parameter_shapes import EMBEDDING, check_parameters, parameter_shapes
from minimind_core.progress import OnProgress, unheard
from minimind_core.tokenizer import Tokenizer

OWN_FILES = re.compile(
    r"config\.json|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json"
    r"|tokenizer\.json"
)
SCALE = ".scale"
SAME_EMBEDDING = 0.05
"""Largest relative difference between a shared embedding and its int8 copy (rounding makes about 0.006)."""


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to run, with all that belongs to it."""

    model: MiniMind
    tokenizer: Tokenizer
    config: ModelConfig
    name: str
    path: Path
    meta: dict[str, Any]
    """config.json of the checkpoint; for foreign files what was read and what was assumed."""

    def prompt_ids(self, text: str) -> list[int]:
        """A text to be continued as ids: BOS, as every training document began, and the text."""
        return [self.config.bos_id, *self.tokenizer.encode(text)]


def save_checkpoint(
    folder: AnyPath,
    config: ModelConfig,
    state_dict: Mapping[str, Tensor],
    *,
    name: str,
    tokenizer: Tokenizer | AnyPath,
    dtype: StoredDtype = "float32",
    trained: Mapping[str, Any] | None = None,
    shares_embedding_with: str | None = None,
    on_progress: OnProgress = unheard,
) -> None:
    """Write a checkpoint so that a full disk or a kill leaves the one that was there before.

    A tokenizer object is copied into the folder; a path (or a shipped name) is only pointed to, relative
    to the folder. `trained` is free JSON data. With `shares_embedding_with` the embedding is not stored
    but read from that checkpoint, a sibling of `folder` or a shipped one. `on_progress` is given the bytes of
    weights written so far and those of all. Raises CheckpointError where it
    cannot be written or does not fit `config`, TokenizerError where the vocabularies differ.
    """
    target = Path(folder).absolute().resolve()
    check_parameters(_shapes(state_dict), config, f"Checkpoint {name!r}")
    meta: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "model": config.to_dict(),
        "dtype": dtype,
        "shares_embedding_with": shares_embedding_with,
    }
    own = dict(state_dict)
    if shares_embedding_with is not None:
        shared, fingerprint = _shared_embedding(target, shares_embedding_with, config)
        _check_same(own.pop(EMBEDDING), shared, shares_embedding_with)
        meta["shared_weights_fingerprint"] = fingerprint
    tensors = _stored(own, dtype)
    with replace_folder(target, OWN_FILES) as partial:
        meta |= store_tokenizer(partial, target, tokenizer, config, name)
        digests, total, written = [], sum(tensor.nbytes for tensor in tensors.values()), 0
        for file_name, data in safetensors_files(tensors):
            write_flushed(partial / file_name, data)
            written = min(written + len(data), total)  # the headers of the files come on top
            on_progress(written, total)
            if file_name.endswith(".safetensors"):
                digests.append(hashlib.sha256(data).digest())
        meta |= {"weights_fingerprint": combined_fingerprint(digests), "trained": dict(trained or {})}
        write_flushed(partial / CONFIG_FILE, json.dumps(meta, indent=1, ensure_ascii=False).encode())


def load_state_dict(folder: AnyPath) -> tuple[ModelConfig, dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's shape, its parameters in fp32 and its config.json.

    Raises CheckpointError with one sentence if anything is missing, truncated, changed or foreign.
    """
    path = current_folder(Path(folder))
    config, meta = read_config(path)
    state_dict = _own_tensors(path, meta)
    if meta.get("shares_embedding_with") is not None:
        embedding, fingerprint = _shared_embedding(path, meta["shares_embedding_with"], config)
        if fingerprint != meta.get("shared_weights_fingerprint"):
            raise CheckpointError(
                f"{path} belongs to another version of {meta['shares_embedding_with']!r}; "
                "fetch both from the same release.",
                key="checkpoint.other_release",
                path=str(path),
                other=meta["shares_embedding_with"],
            )
        state_dict = {EMBEDDING: embedding, **state_dict}
    check_parameters(_shapes(state_dict), config, str(path))
    return config, {name: state_dict[name] for name in parameter_shapes(config)}, meta


def load_model(
    name_or_path: AnyPath,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    tokenizer: AnyPath | None = None,
) -> LoadedModel:
    """A model in eval mode with its tokenizer: shipped (by name), one of ours, or an official MiniMind.

    `tokenizer` says where its tokenizer is if it is not where the checkpoint says. RoPE tables stay in
    fp32 whatever `dtype` is. Raises CheckpointError, TokenizerError or FileError with one sentence, also
    where the weights hold NaN.
    """
    path = locate(name_or_path)
    if is_native(path):
        config, state_dict, meta = load_state_dict(path)
        check_values(state_dict, path)
        own_tokenizer = tokenizer_of(path, config, meta, tokenizer)
    else:
        config, state_dict, own_tokenizer, meta = import_minimind(path, tokenizer)
    model = MiniMind(config)
    model.load_state_dict(state_dict)
    model.to(device=device, dtype=dtype).eval()
    return LoadedModel(model, own_tokenizer, config, meta["name"], path, meta)


def _shapes(state_dict: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state_dict.items()}


def _stored(state_dict: Mapping[str, Tensor], dtype: StoredDtype) -> dict[str, Tensor]:
    """The tensors as they will be in the file."""
    stored: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        values = tensor.detach().float().cpu()
        if dtype != "int8":
            stored[name] = values.to(getattr(torch, dtype))
            _require_storable(name, dtype, bool((stored[name].isfinite() == values.isfinite()).all()))
        elif can_quantize(values):
            _require_storable(name, dtype, bool((values.abs() <= MAX_ABS).all()))
            stored[name], stored[name + SCALE] = quantize_int8(values)
        else:
            stored[name] = values
    return stored


def _require_storable(name: str, dtype: StoredDtype, storable: bool) -> None:
    if not storable:
        raise CheckpointError(
            f"Tensor {name!r} holds values that {dtype} cannot store (NaN, Inf or too "
            "large); save as float32."
        )


def _own_tensors(folder: Path, meta: Mapping[str, Any]) -> dict[str, Tensor]:
    """What the folder's own files hold, in fp32."""
    tensors, fingerprint = read_tensors(find_weight_files(folder))
    if fingerprint != meta.get("weights_fingerprint"):
        raise CheckpointError(
            f"The weights in {folder} were changed after saving; fetch them again.",
            key="checkpoint.changed",
            path=str(folder),
        )
    quantized = [name for name, tensor in tensors.items() if _is_quantized(tensor, tensors.get(name + SCALE))]
    restored = {name: dequantize_int8(tensors.pop(name), tensors.pop(name + SCALE)) for name in quantized}
    return restored | {name: to_float32(name, tensor, folder) for name, tensor in tensors.items()}


def _is_quantized(q: Tensor, scale: Tensor | None) -> bool:
    return (
        q.dtype == torch.int8
        and scale is not None
        and q.dim() == scale.dim() == 2
        and len(q) == len(scale)
        and scale.shape[1] > 0
        and q.shape[1] % scale.shape[1] == 0
    )


def _shared_embedding(folder: Path, other: str, config: ModelConfig) -> tuple[Tensor, str]:
    """The embedding of checkpoint `other` in fp32, and the fingerprint of its weights."""
    siblings = [current_folder(parent / Path(other).name) for parent in (folder.parent, WEIGHTS_FOLDER)]
    partner = next((path for path in siblings if path.is_dir()), None)
    if partner is None:
        raise CheckpointError(
            f"{folder} shares its embedding with {other!r}, which is not there; put {other!r} beside it.",
            key="checkpoint.no_partner",
            path=str(folder),
            other=other,
        )
    other_config, meta = read_config(partner)
    embedding = _own_tensors(partner, meta).get(EMBEDDING)
    shape = (config.vocab_size, config.hidden_size)
    if embedding is None or (other_config.vocab_size, other_config.hidden_size) != shape:
        raise CheckpointError(
            f"{folder} cannot share the embedding of {other!r}, which stores none of shape "
            f"{list(shape)}; choose the checkpoint that it was trained with.",
            key="checkpoint.wrong_partner",
            path=str(folder),
            other=other,
            shape=str(list(shape)),
        )
    return embedding, meta["weights_fingerprint"]


def _check_same(embedding: Tensor, shared: Tensor, other: str) -> None:
    difference = (embedding.detach().float().cpu() - shared).norm() / shared.norm()
    if not difference <= SAME_EMBEDDING:
        raise CheckpointError(f"This embedding is not that of {other!r}; save it on its own instead.")
