"""Which tokenizer belongs to a checkpoint: stored beside its weights or pointed to, checked when loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minimind_core.atomic_file import write_flushed
from minimind_core.errors import TokenizerError
from minimind_core.files.checkpoint_config import AnyPath
from minimind_core.model.config import ModelConfig
from minimind_core.tokenizer import TOKENIZERS_FOLDER, ByteTokenizer, Tokenizer, load_tokenizer


def store_tokenizer(
    partial: Path, target: Path, tokenizer: Tokenizer | AnyPath, config: ModelConfig, name: str
) -> dict[str, str]:
    """The entries of config.json for the tokenizer of the checkpoint that is being written to `partial`.

    A tokenizer object is stored there too; a path or shipped name is noted relative to `target`, where the
    checkpoint will lie. Raises TokenizerError where it does not fit the model.
    """
    if isinstance(tokenizer, Tokenizer):
        loaded = tokenizer
    elif tokenizer == "byte" or Path(tokenizer).exists():
        loaded = load_tokenizer(tokenizer)
    else:
        tokenizer = TOKENIZERS_FOLDER / f"{Path(tokenizer).name}.json.xz"
        loaded = load_tokenizer(tokenizer)
    _check_vocabulary(loaded, config, name)
    if isinstance(loaded, ByteTokenizer):
        location = "byte"
    elif isinstance(tokenizer, Tokenizer):
        location = "tokenizer.json"
        write_flushed(partial / location, tokenizer.to_json().encode())
    else:
        location = Path(os.path.relpath(Path(tokenizer).resolve(), target)).as_posix()
    return {"tokenizer": location, "tokenizer_fingerprint": loaded.fingerprint}


def tokenizer_of(
    folder: Path, config: ModelConfig, meta: Mapping[str, Any], elsewhere: AnyPath | None
) -> Tokenizer:
    """The tokenizer that config.json (`meta`) of `folder` names, or the one at `elsewhere`.

    Raises TokenizerError where it is missing or is not the one that the weights were trained with.
    """
    location = meta.get("tokenizer")
    if elsewhere is not None:
        tokenizer = load_tokenizer(elsewhere)
    elif isinstance(location, str):
        tokenizer = load_tokenizer(location if location == "byte" else folder / location)
    else:
        raise TokenizerError(
            f"{folder} names no tokenizer; say which one belongs to it.",
            key="tokenizer.unnamed",
            path=str(folder),
        )
    _check_vocabulary(tokenizer, config, str(folder))
    if tokenizer.fingerprint != meta.get("tokenizer_fingerprint"):
        raise TokenizerError(
            f"{folder} was trained with another tokenizer (fingerprint "
            f"{meta.get('tokenizer_fingerprint')}, found {tokenizer.fingerprint}); "
            "use the one that came with it.",
            key="tokenizer.other",
            path=str(folder),
        )
    return tokenizer


def _check_vocabulary(tokenizer: Tokenizer, config: ModelConfig, name: str) -> None:
    if tokenizer.vocab_size != config.vocab_size:
        raise TokenizerError(
            f"{name} has a vocabulary of {config.vocab_size} but the tokenizer has "
            f"{tokenizer.vocab_size} entries; use the tokenizer that belongs to it.",
            key="tokenizer.size",
            path=name,
            vocabulary=config.vocab_size,
            entries=tokenizer.vocab_size,
        )
