"""Models of the 26M's shape with 8, 2 and 1 KV heads to be timed, and how fast memory is read. Imports torch.

Weights are random, for the speed does not depend on them, and shared by the variants where their shapes
agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from labs.q06_gqa.cache_bytes import QUERY_HEADS, shape
from labs.tools.budgets import PerDevice
from labs.tools.interleaved import seconds_a_call
from labs.tools.models import assembled
from minimind_core.model.minimind import INIT_STD, MiniMind
from minimind_core.model.parameter_shapes import parameter_shapes

BANDWIDTH_BYTES = PerDevice(cpu=2**28, cuda=2**30)
_FILLING, _BLOCK = 0.01, 1_000_003


def random_models(kv_heads: Iterable[int], device: str, dtype: torch.dtype) -> list[MiniMind]:
    """Models of the 26M's shape with so many KV heads, one a count."""
    random = torch.Generator(device).manual_seed(0)
    block = INIT_STD * torch.randn(_BLOCK, generator=random, device=device).to(dtype)

    def filled(size: tuple[int, ...]) -> Tensor:
        """Norms are one; a matrix is the same block of numbers over and over, which is quick to make."""
        if len(size) == 1:
            return block.new_ones(size)
        count = math.prod(size)
        return block.repeat(-(-count // _BLOCK))[:count].view(size)

    tensors = {name: filled(size) for name, size in parameter_shapes(shape(QUERY_HEADS)).items()}
    return [assembled(shape(heads), tensors) for heads in kv_heads]


def read_bandwidth(device: str) -> float:
    """Bytes a second at which a large tensor is read, the fastest of a few runs."""
    size = BANDWIDTH_BYTES.on(device)
    buffer = torch.full((size // 4,), _FILLING, device=device)
    buffer.sum()
    return size / min(seconds_a_call(buffer.sum, 1, torch.device(device)) for _ in range(4))
