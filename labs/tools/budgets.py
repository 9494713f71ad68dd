"""Sizes that depend on the device, and the memory that is left on it. torch is imported when it is asked for.

ROWS = PerDevice(cpu=32, mps=128, cuda=1024)
ROWS.on(ctx.device)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Generic, TypeVar

from labs.contract.experiment import DeviceClass

T = TypeVar("T")


@dataclass(frozen=True)
class PerDevice(Generic[T]):
    """One value for each kind of device; what is not given for mps is the CPU's."""

    cpu: T
    cuda: T
    mps: T | None = None

    def on(self, device: str) -> T:
        """The value for "cpu", "cuda" or "mps"."""
        if device == "cuda":
            return self.cuda
        return self.mps if device == "mps" and self.mps is not None else self.cpu


def device_class(device: str) -> DeviceClass:
    """The class that limits and estimates are given for."""
    return "cuda" if device == "cuda" else "cpu"


def free_bytes(device: str) -> int | None:
    """Memory that a run may still take; None where the system does not say."""
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
