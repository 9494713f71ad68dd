"""The device of one process and the models loaded on it. Imports torch: worker and command line only.

Knows no experiment. Models are kept by name, weights version and dtype, the least recently used
dropped first, so that a second run starts at once.
"""

from __future__ import annotations

import os
import platform
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from labs.contract import DEFAULT_MODEL
from labs.runner.weights import weights_version
from minimind_core.checkpoint import LoadedModel, load_model
from minimind_core.config import PRESETS
from minimind_core.errors import CheckpointError, DeviceError

MAX_MODELS = 16
RANDOM = "random:"
"""Prefix of an untrained model: "random:byte-128" has that preset's shape and a byte tokenizer."""


class Host:
    """One device with its models.

    `device` is "auto" (cuda, else mps, else cpu) or a device name; a missing one raises DeviceError.
    On a CPU all cores but one compute, so that pages stay quick.
    """

    def __init__(self, device: str = "auto", dtype: str = "float32") -> None:
        self.device = _pick(device)
        self.dtype = dtype
        if self.device == "cpu":
            torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
        self._models: OrderedDict[tuple[str, str, str], LoadedModel] = OrderedDict()

    def describe(self) -> dict[str, Any]:
        """The part of a WorkerStatus that this process knows: device, its name, dtype and versions."""
        return {"device": self.device, "device_name": _device_name(self.device), "dtype": self.dtype,
                "versions": _versions()}

    def model(self, name: str = DEFAULT_MODEL) -> LoadedModel:
        """Load a checkpoint by name or path, or take it from the kept ones. Raises CheckpointError."""
        key = (name, weights_version(name), self.dtype)
        if key not in self._models:
            self._models[key] = self._load(name)
        self._models.move_to_end(key)
        while len(self._models) > MAX_MODELS:
            self._models.popitem(last=False)
        return self._models[key]

    def synchronize(self) -> None:
        """Wait for the device, so that times are true and its errors come now."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        elif self.device == "mps":
            torch.mps.synchronize()

    def _load(self, name: str) -> LoadedModel:
        dtype = getattr(torch, self.dtype)
        if name.startswith(RANDOM):
            return _untrained(name.removeprefix(RANDOM), self.device, dtype)
        return load_model(name, device=self.device, dtype=dtype)


def _untrained(preset: str, device: str, dtype: torch.dtype) -> LoadedModel:
    from minimind_core.model import MiniMind
    from minimind_core.tokenizer import ByteTokenizer

    if preset not in PRESETS:
        raise CheckpointError(f"There is no shape {preset!r}; the shapes are {', '.join(PRESETS)}.")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = PRESETS[preset].replace(vocab_size=ByteTokenizer().vocab_size)
        model = MiniMind(config).to(device=device, dtype=dtype).eval()
    return LoadedModel(model=model, tokenizer=ByteTokenizer(), config=config, name=RANDOM + preset,
                       path=Path(RANDOM + preset), meta={})


def _pick(device: str) -> str:
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if has[name])
    if not has.get(device, False):
        raise DeviceError(f"This machine has no {device!r} device that torch can use; choose cpu or auto.")
    return device


def _device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    if device == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    if torch.version.cuda is not None:
        versions["cuda"] = torch.version.cuda
    return versions
