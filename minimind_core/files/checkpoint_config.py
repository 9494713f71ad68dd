"""Where checkpoints lie and what their config.json says. No torch: the web process may read this.

Does not open weights (`checkpoint.py`) and does not read other projects' config.json
(`import_minimind.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from minimind_core.bounded import MAX_JSON_BYTES, read_bounded
from minimind_core.errors import CheckpointError, ConfigError, FileError
from minimind_core.files.atomic_folder import current_folder
from minimind_core.model.config import ModelConfig

WEIGHTS_FOLDER = Path(__file__).resolve().parents[2] / "weights"
CONFIG_FILE = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""What may hold a folder's weights, in order of preference; with `.index.json` added, its list of shards."""
FORMAT = "minimind"
FORMAT_VERSION = 1
AnyPath = str | os.PathLike[str]
StoredDtype = Literal["int8", "float32", "float16", "bfloat16"]


def shipped_checkpoints() -> list[str]:
    """Names that `locate` knows: the folders under weights/ that hold a config.json."""
    return sorted(
        path.parent.name
        for path in WEIGHTS_FOLDER.glob(f"*/{CONFIG_FILE}")
        if not path.parent.name.startswith(".")
    )


def locate(name_or_path: AnyPath) -> Path:
    """A shipped checkpoint by bare name, else the file or folder at the path.

    A weight file that its folder is loaded from by default, or a list of shards, stands for its folder; any
    other file for itself. Raises CheckpointError, with the names there are, if there is neither, and for a
    device or a pipe.
    """
    try:
        path = Path(name_or_path).expanduser()
        candidates = [WEIGHTS_FOLDER / path, path] if len(path.parts) == 1 else [path]
        existing = next((folder for folder in map(current_folder, candidates) if folder.exists()), None)
    except (OSError, ValueError, RuntimeError):  # a name that no file can have
        existing = None
    if existing is None:
        shipped = ", ".join(shipped_checkpoints()) or "(none is shipped here)"
        raise CheckpointError(
            f"There is no checkpoint at {str(name_or_path)!r}; give a folder, a .pth file "
            f"or one of: {shipped}.",
            key="checkpoint.missing",
            path=str(name_or_path),
            shipped=shipped,
        )
    if not existing.is_dir() and not existing.is_file():
        raise CheckpointError(
            f"{existing} is a device or a pipe, not a file; give a folder or a .pth file.",
            key="checkpoint.special",
            path=str(existing),
        )
    return existing.parent if _stands_for_folder(existing) else existing


def _stands_for_folder(file: Path) -> bool:
    if not (file.parent / CONFIG_FILE).is_file():
        return False
    return file.name in WEIGHT_FILES or file.name.endswith(".index.json") or _is_shard(file)


def _is_shard(file: Path) -> bool:
    """Whether an index beside the file lists it; a damaged index is for the loading to say."""
    for name in WEIGHT_FILES:
        index = file.parent / f"{name}.index.json"
        if index.is_file():
            with contextlib.suppress(CheckpointError, FileError):
                listed = read_json(index).get("weight_map")
                return isinstance(listed, dict) and file.name in listed.values()
    return False


def is_native(path: Path) -> bool:
    """Whether this is a folder in our own format, rather than one of another project's."""
    return (path / CONFIG_FILE).is_file() and read_json(path / CONFIG_FILE).get("format") == FORMAT


def read_config(folder: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """The model's shape and all of config.json. Raises CheckpointError if it is missing, broken or newer."""
    path = folder / CONFIG_FILE
    meta = read_json(path)
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not of format {FORMAT!r}; load its folder with load_model.",
            key="checkpoint.format",
            path=str(path),
            format=FORMAT,
        )
    if meta.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {meta.get('format_version')!r}, which this program "
            "does not read; update the program.",
            key="checkpoint.newer",
            path=str(path),
        )
    invalid = _invalid_key(meta)
    if invalid is not None:
        raise CheckpointError(
            f"{path} lacks a valid {invalid!r}; fetch the checkpoint again.",
            key="checkpoint.invalid",
            path=str(path),
            name=invalid,
        )
    try:
        return ModelConfig.from_dict(meta["model"]), meta
    except ConfigError as error:
        raise CheckpointError(
            f"{path} describes no model that can be built ({error}); fetch the checkpoint again.",
            key="checkpoint.no_model",
            path=str(path),
            reason=str(error),
        ) from error


def _invalid_key(meta: Mapping[str, Any]) -> str | None:
    """The first entry that is missing or of the wrong kind."""
    model, partner = meta.get("model"), meta.get("shares_embedding_with")
    is_name = isinstance(partner, str) and re.fullmatch(r"[\w.-]+", partner)
    valid = {
        "name": isinstance(meta.get("name"), str),
        "dtype": meta.get("dtype") in get_args(StoredDtype),
        "model": isinstance(model, dict) and isinstance(model.get("rope_scaling"), dict | None),
        "shares_embedding_with": partner is None or is_name,
    }
    return next((key for key, is_valid in valid.items() if not is_valid), None)


def read_part(path: Path, limit: int) -> bytes:
    """The content of a file of a checkpoint, at most `limit` bytes.

    Raises CheckpointError where it cannot be opened, FileError for a device, a pipe or a larger file.
    """
    try:
        return read_bounded(path, limit)
    except OSError as error:
        raise CheckpointError(
            f"Cannot read {path} ({error.strerror}); check the path and its permissions.",
            key="checkpoint.unreadable",
            path=str(path),
            reason=error.strerror,
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises CheckpointError if it is missing or holds anything else, FileError
    for a device, a pipe or a file far too large."""
    try:
        data = json.loads(read_part(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not JSON; fetch the checkpoint again.", key="checkpoint.not_json", path=str(path)
        ) from error
    if not isinstance(data, dict):
        raise CheckpointError(
            f"{path} holds no JSON object; fetch the checkpoint again.",
            key="checkpoint.not_json",
            path=str(path),
        )
    return data
