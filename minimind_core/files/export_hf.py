"""Write a model as a Hugging Face folder, which transformers 4 and 5 load by `from_pretrained`, offline.

The names of the parameters are Llama's already, so nothing is converted but the dtype. Exports RoPE models
only, writes no chat template and does not need transformers. llama.cpp's converter takes the weights as
they are but knows tokenizers by a hash, so a vocabulary trained here needs one line there
(`get_vocab_base_pre`: "llama-bpe").
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import torch

from minimind_core.atomic_file import write_flushed
from minimind_core.files.atomic_folder import replace_folder
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.files.checkpoint_config import AnyPath
from minimind_core.files.hf_config import write_hf_config
from minimind_core.files.tensor_files import safetensors_files
from minimind_core.progress import OnProgress, unheard
from minimind_core.tokenizer import Tokenizer

ExportDtype = Literal["float32", "bfloat16", "float16"]
OWN_FILES = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map)\.json"
    r"|model\.safetensors"
)


def export_hf(
    loaded: LoadedModel, folder: AnyPath, dtype: ExportDtype = "float32", on_progress: OnProgress = unheard
) -> None:
    """Write config, weights and tokenizer so that `from_pretrained(folder)` works offline.

    The folder is written at once or not at all; `on_progress` is given the bytes of weights written so far
    and those of all. Raises ConfigError for a model that Llama cannot express, CheckpointError where the
    folder cannot be written or holds other files.
    """
    config = write_hf_config(loaded.config, dtype)
    tensors = {name: tensor.to(getattr(torch, dtype)) for name, tensor in loaded.model.state_dict().items()}
    special = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    documents = {
        "config.json": config,
        "generation_config.json": special,
        **_tokenizer_documents(loaded.tokenizer, config["max_position_embeddings"]),
    }
    with replace_folder(Path(folder), OWN_FILES) as partial:
        for name, document in documents.items():
            write_flushed(partial / name, json.dumps(document, indent=1, ensure_ascii=False).encode())
        write_flushed(partial / "tokenizer.json", loaded.tokenizer.to_json().encode())
        for name, data in safetensors_files(tensors, shard_bytes=None):
            write_flushed(partial / name, data, on_progress)


def _tokenizer_documents(tokenizer: Tokenizer, max_length: int) -> dict[str, dict[str, Any]]:
    """What transformers wants beside tokenizer.json: nothing adds bos or eos, nothing tidies spaces."""
    names = {"bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id, "pad_token": tokenizer.pad_id}
    special = {key: tokenizer.token_text(token_id) for key, token_id in names.items()}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "model_max_length": max_length,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
    }
    return {"tokenizer_config.json": config, "special_tokens_map.json": special}
