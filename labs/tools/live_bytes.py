"""The most memory that tensors hold at once while something is computed. Imports torch.

On CUDA its allocator knows. Elsewhere every storage that an operation returns counts from then on until
nobody holds it any more; what lives within one operation only (workspaces of kernels) is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode

from labs.tools.storages import address, tensors_in


def peak_bytes(compute: Callable[[], object], device: torch.device) -> int:
    """The most new bytes at once in one call; what was there before does not count."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        compute()
        return torch.cuda.max_memory_allocated(device) - before
    with _Live() as live:
        compute()
    return live.peak


class _Live(TorchDispatchMode):
    """Adds a storage when an operation first returns it and takes it off when it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and look at what came out."""
        given = {address(tensor) for tensor in tensors_in((args, kwargs or {}))}
        outputs = func(*args, **(kwargs or {}))
        for tensor in tensors_in(outputs):
            if address(tensor) not in given:
                self._add(tensor.untyped_storage())
        return outputs

    def _add(self, storage: UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size
