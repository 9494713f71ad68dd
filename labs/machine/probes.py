"""The operations that the card times: copies, matrix products, launches, decode steps. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from labs.tools.budgets import PerDevice
from minimind_core.decoding.step import Step, StepKind
from minimind_core.device import DTYPES
from minimind_core.model.minimind import MiniMind

COPIED = PerDevice(cpu=(2**16, 2**20, 2**24, 2**28), cuda=(2**20, 2**24, 2**27, 2**30))
"""Bytes of the copies. The last is far larger than any cache, so it is the memory that is timed."""
MATRIX = PerDevice(cpu=1024, cuda=8192, mps=2048)
"""Rows and columns of the factors."""
LAUNCHES = 200
_FILLING = 0.01

Way = Callable[[], object]


def copies(device: str) -> dict[int, Way]:
    """A copy within memory by its bytes; each reads and writes them once."""

    def copy(num_bytes: int) -> Way:
        source = torch.full((num_bytes // 4,), _FILLING, device=device)  # untouched pages would all be one
        target = source.clone()
        return lambda: target.copy_(source)

    return {num_bytes: copy(num_bytes) for num_bytes in COPIED.on(device)}


def product(device: str, dtype: str) -> tuple[Way, float]:
    """A product of two square matrices, and its floating-point operations."""
    size = MATRIX.on(device)
    random = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(size, size, generator=random).to(device, DTYPES[dtype]) for _ in range(2)
    )  # zeros would be multiplied faster than data
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out), 2.0 * size**3


def launches(device: str) -> Way:
    """`LAUNCHES` operations, each far too small to take any time of its own."""
    number = torch.zeros(1, device=device)

    def many() -> None:
        for _ in range(LAUNCHES):
            number.add_(1)

    return many


class FullCacheStep(Step):
    """One greedy step of every row over a cache of `tokens`, whose last slot is written again at each run.

    The length stays what it is. On CUDA, launches would hide everything else unless `kind` is "graph".
    """

    def __init__(self, model: MiniMind, batch: int, tokens: int, kind: StepKind) -> None:
        super().__init__(model, batch, tokens, kind)
        self.cache.fill(_FILLING)  # untouched memory would all be one page of zeros
        self.ids.fill_(1)
        self.positions.fill_(tokens - 1)
        self.run = self.then(self._take_the_top)

    def _take_the_top(self, logits: Tensor) -> None:
        self.ids.copy_(logits.argmax(-1, keepdim=True))  # [B, V] -> [B, 1]


class _Counter(TorchDispatchMode):
    """Counts what reaches the device; views only rename memory."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operations(run: Way) -> int:
    """Operations of one call that is launched one by one."""
    with _Counter() as counter:
        run()
    return counter.count
