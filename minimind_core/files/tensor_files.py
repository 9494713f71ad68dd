"""Named tensors in files: safetensors, its shards, and PyTorch pickles opened without running them.

Reading never executes code from a file. Knows nothing about models: names and shapes are checked in
`parameter_shapes.py`.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from minimind_core.bounded import MAX_JSON_BYTES, check_archive, check_size, read_bounded, weight_limit
from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint_config import WEIGHT_FILES, read_part
from minimind_core.files.pickle_scan import check_pickles
from minimind_core.progress import OnProgress, unheard

SHARD_BYTES = 14 * 2**20
"""Bytes of tensors in one shard, so that its file stays below 15 MiB (a larger tensor is alone in one)."""
MOST_EXPANDED, HARMLESS_BYTES = 16, 2**30
"""A state dict that takes so many times the bytes of its file, and more than a harmless lot, is a bomb."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f920")
"""How torch.save began its files before they were zip archives."""


def find_weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights. Raises CheckpointError if there are none or one is missing."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    raise CheckpointError(
        f"{folder} holds no weights; put {' or '.join(WEIGHT_FILES)} there.",
        key="checkpoint.no_weights",
        path=str(folder),
        files=", ".join(WEIGHT_FILES),
    )


def read_tensors(paths: Sequence[Path], on_progress: OnProgress = unheard) -> tuple[dict[str, Tensor], str]:
    """All tensors of the files as stored, and the fingerprint of the files.

    The fingerprint is 16 hex digits of the SHA-256 over each file's SHA-256. `on_progress` is given the bytes
    of the files read so far and those of all. Raises CheckpointError where a file is missing, truncated, a
    git-lfs pointer, or holds anything but tensors, FileError for devices, pipes and more than memory holds.
    """
    tensors: dict[str, Tensor] = {}
    digests, read = [], 0
    total = sum(path.stat().st_size for path in paths if path.is_file())
    check_size(paths[0], total, weight_limit())
    for path in paths:
        data = _read(path)
        digests.append(hashlib.sha256(data).digest())
        tensors |= _parse(path, data)
        read += len(data)
        on_progress(read, total)
    return tensors, combined_fingerprint(digests)


def safetensors_files(
    tensors: Mapping[str, Tensor], shard_bytes: int | None = SHARD_BYTES
) -> Iterator[tuple[str, bytes]]:
    """File names and contents that `find_weight_files` and transformers read; one file at a time.

    One `model.safetensors` where all fits into `shard_bytes` (None: always), else numbered shards
    and their index.
    """
    shards = _split(tensors, shard_bytes)
    if len(shards) == 1:
        yield "model.safetensors", _serialized(tensors)
        return
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file_name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        weight_map |= dict.fromkeys(names, file_name)
        yield file_name, _serialized({name: tensors[name] for name in names})
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    yield "model.safetensors.index.json", json.dumps(index, indent=1).encode()


def combined_fingerprint(digests: Sequence[bytes]) -> str:
    """What `read_tensors` reports for weight files with these SHA-256 digests, in this order."""
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]


def to_float32(name: str, tensor: Tensor, source: Path) -> Tensor:
    """The same values in fp32. Raises CheckpointError for a tensor that is no floating-point weight."""
    if not tensor.is_floating_point() or tensor.layout != torch.strided:
        raise CheckpointError(
            f"{source}: tensor {name!r} is {tensor.dtype}, not floating-point weights; "
            "choose a checkpoint without foreign quantisation.",
            key="checkpoint.quantised",
            path=str(source),
            tensor=name,
            dtype=str(tensor.dtype),
        )
    return tensor.detach().float()


def check_values(tensors: Mapping[str, Tensor], source: Path) -> None:
    """Raise CheckpointError for a tensor with NaN or infinity, from which nothing can be computed."""
    for name, tensor in tensors.items():
        smallest, largest = tensor.aminmax() if tensor.numel() else (tensor.new_zeros(()),) * 2
        if not (smallest.isfinite() and largest.isfinite()):  # NaN wins both
            raise CheckpointError(
                f"{source}: tensor {name!r} holds NaN or infinity; fetch the checkpoint or train it again.",
                key="checkpoint.not_finite",
                path=str(source),
                tensor=name,
            )


def check_memory(tensors: Mapping[str, Tensor], source: Path) -> None:
    """Raise FileError where the tensors, which a file may repeat without storing them, do not fit as fp32."""
    check_size(source, 4 * sum(tensor.numel() for tensor in tensors.values()), weight_limit())


def _split(tensors: Mapping[str, Tensor], shard_bytes: int | None) -> list[list[str]]:
    """Names in order, cut so that each part's tensors fit into `shard_bytes`."""
    parts: list[list[str]] = [[]]
    used = 0
    for name, tensor in tensors.items():
        if shard_bytes is not None and parts[-1] and used + tensor.nbytes > shard_bytes:
            parts.append([])
            used = 0
        parts[-1].append(name)
        used += tensor.nbytes
    return parts


def _serialized(tensors: Mapping[str, Tensor]) -> bytes:
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(ready, metadata={"format": "pt"})


def _shards(index: Path) -> list[Path]:
    try:
        listed = json.loads(read_bounded(index, MAX_JSON_BYTES))
        names = sorted(set(listed["weight_map"].values()))
        paths = [index.parent / Path(name).name for name in names]  # .name: a shard lies beside its index
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{index} is no list of weight files; fetch the checkpoint again.",
            key="checkpoint.damaged",
            path=str(index),
        ) from error
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise CheckpointError(
            f"{index.parent} lacks {missing[0] if missing else 'all shards'}, which its "
            "index names; fetch the checkpoint again.",
            key="checkpoint.no_shard",
            path=str(index.parent),
            shard=missing[0] if missing else "*",
        )
    return paths


def _read(path: Path) -> bytes:
    data = read_part(path, weight_limit())
    if data.startswith(LFS_POINTER):
        raise CheckpointError(
            f"{path} is a git-lfs pointer, not the weights; run 'git lfs pull' where it "
            "came from, or download the file itself.",
            key="checkpoint.lfs",
            path=str(path),
        )
    return data


def _parse(path: Path, data: bytes) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return _parse_pickle(path, data)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is truncated or no safetensors file; fetch it again.",
            key="checkpoint.damaged",
            path=str(path),
        ) from error


def _parse_pickle(path: Path, data: bytes) -> dict[str, Tensor]:
    """A `.pth` or `.bin` file through torch's restricted unpickler, which builds tensors and nothing else."""
    check_archive(path, io.BytesIO(data), len(data))
    check_pickles(path, io.BytesIO(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of pickle protocols that it then refuses
            payload = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        plain_pickle = data.startswith(b"\x80") and not data.startswith(LEGACY_MAGIC)
        if "GLOBAL" in str(error) or plain_pickle:
            raise CheckpointError(
                f"{path} was not opened, because it holds Python objects besides tensors, "
                "which may run code; save only the model's state_dict().",
                key="checkpoint.unsafe",
                path=str(path),
            ) from error
        raise CheckpointError(
            f"{path} is not a PyTorch weight file; fetch it again.", key="checkpoint.foreign", path=str(path)
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # damaged bytes make torch.load raise almost anything
        raise CheckpointError(
            f"{path} is truncated or no PyTorch weight file; fetch it again.",
            key="checkpoint.damaged",
            path=str(path),
        ) from error
    tensors = _state_dict(path, payload)
    _refuse_larger(path, data, sum(tensor.nbytes for tensor in tensors.values()))
    return tensors


def _refuse_larger(path: Path, data: bytes, size: int) -> None:
    if size > max(MOST_EXPANDED * len(data), HARMLESS_BYTES):
        raise CheckpointError(
            f"{path} would take {size / 2**30:.1f} GB, far more than its file has; fetch it again.",
            key="checkpoint.bomb",
            path=str(path),
            size=f"{size / 2**30:.1f}",
        )


def _state_dict(path: Path, payload: Any) -> dict[str, Tensor]:
    """The tensors by name, out of a training checkpoint and without wrappers' prefixes if need be."""
    for key in ("model", "state_dict"):  # a training script's own checkpoint, with its optimizer beside
        if isinstance(payload, Mapping) and isinstance(payload.get(key), Mapping):
            payload = payload[key]
    if not isinstance(payload, Mapping) or not payload:
        raise CheckpointError(
            f"{path} holds no dictionary of tensors; save the model's state_dict().",
            key="checkpoint.no_tensors",
            path=str(path),
        )
    for name, value in payload.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path}: entry {name!r} is no named tensor; save a state_dict().",
                key="checkpoint.no_tensors",
                path=str(path),
            )
    return {_unwrapped(name): tensor for name, tensor in payload.items()}


def _unwrapped(name: str) -> str:
    """Without the prefixes of DistributedDataParallel and torch.compile."""
    return name.replace("_orig_mod.", "").removeprefix("module.")
