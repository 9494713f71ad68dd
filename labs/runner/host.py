"""The device of one process and the models loaded on it. Imports torch: worker and command line only.

Knows no experiment. Models are kept by name, weights version and dtype, the least recently used
dropped first, so that a second run starts at once.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from labs.contract import DEFAULT_MODEL
from labs.runner.weights import weights_version
from labs.tools.models import untrained
from minimind_core import device as devices
from minimind_core.errors import CheckpointError
from minimind_core.files.checkpoint import LoadedModel, load_model
from minimind_core.model.config import PRESETS
from minimind_core.tokenizer import ByteTokenizer

MAX_MODELS = 16
RANDOM = "random:"
"""Prefix of an untrained model: "random:byte-128" has that preset's shape and a byte tokenizer."""


class Host:
    """One device with its models.

    `device` and `dtype` are names of `minimind_core.device`; one that this machine lacks raises DeviceError.
    On a CPU all cores but one compute, so that pages stay quick.
    """

    def __init__(self, device: str = "auto", dtype: str = "fp32") -> None:
        self._device = devices.pick_device(device)
        self._dtype = devices.pick_dtype(dtype, self._device)
        if self.device == "cpu":
            torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
        self._models: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()

    @property
    def device(self) -> str:
        """ "cpu", "cuda" or "mps"."""
        return self._device.type

    @property
    def dtype(self) -> str:
        """ "fp32", "bf16" or "fp16"."""
        return devices.dtype_name(self._dtype)

    @property
    def lock_name(self) -> str:
        """The name of this device's lock; each GPU of a host has its own."""
        if self.device != "cuda":
            return self.device
        return f"cuda-{torch.cuda.get_device_properties(self._device).uuid}"

    def describe(self) -> dict[str, Any]:
        """The fields of a WorkerStatus other than state, model and error."""
        about = devices.describe(self._device, self._dtype)
        threads = about.pop("threads")
        if self.device == "cpu":
            about["device_name"] += f", {threads} thread{'s' if threads > 1 else ''}"
        versions = {name: version for name, version in about.pop("versions").items() if version is not None}
        return {
            **about,
            "versions": versions,
            "unused_gpu": devices.cuda_notice() is not None,
            "found": devices.available(),
        }

    def model(self, name: str = DEFAULT_MODEL) -> LoadedModel:
        """The model of a checkpoint, by name or path, loaded or still in memory. Raises CheckpointError."""
        key = (name, weights_version(name))
        if key not in self._models:
            self._models[key] = self._load(name)
        self._models.move_to_end(key)
        while len(self._models) > MAX_MODELS:
            self._models.popitem(last=False)
        return self._models[key]

    def synchronize(self) -> None:
        """Wait for the device, so that times are true and its errors come now."""
        devices.synchronize(self._device)

    def _load(self, name: str) -> LoadedModel:
        if name.startswith(RANDOM):
            return _untrained(name.removeprefix(RANDOM), self._device, self._dtype)
        return load_model(name, device=self._device, dtype=self._dtype)


def _untrained(preset: str, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    if preset not in PRESETS:
        raise CheckpointError(
            f"There is no shape {preset!r}; the shapes are {', '.join(PRESETS)}.",
            key="checkpoint.preset",
            name=preset,
            known=", ".join(PRESETS),
        )
    tokenizer = ByteTokenizer()
    config = PRESETS[preset].replace(vocab_size=tokenizer.vocab_size)
    model = untrained(config, device).to(dtype).eval()
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        config=config,
        name=RANDOM + preset,
        path=Path(RANDOM + preset),
        meta={},
    )
