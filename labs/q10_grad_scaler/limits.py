"""How large a run is on this device: a CPU computes FP16 products slowly and has little memory."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labs.q10_grad_scaler.params import MemoryParams
from minimind_core.model.config import ModelConfig

COUNTED_TOKENS = {"cuda": 2**30}
"""Tokens of a forward pass whose bytes are counted; elsewhere 256."""


class BatchShape(NamedTuple):
    """Rows and their tokens."""

    rows: int
    length: int


BATCHES: dict[str, dict[str, tuple[BatchShape, ...]]] = {
    "window": {"cuda": (BatchShape(8, 128),), "cpu": (BatchShape(1, 12),)},
    "duel": {"cuda": (BatchShape(16, 512),), "cpu": (BatchShape(4, 32),)},
    "speed": {
        "cuda": (BatchShape(1, 128), BatchShape(32, 512)),
        "cpu": (BatchShape(1, 8), BatchShape(1, 24)),
    },
}
"""By experiment and device; Apple's mps computes what a CPU does."""


def batches_of(experiment: str, device: str) -> tuple[BatchShape, ...]:
    """The batches of an experiment on this device."""
    return BATCHES[experiment].get(device, BATCHES[experiment]["cpu"])


def batch_of(experiment: str, device: str) -> BatchShape:
    """The batch of an experiment that has one."""
    (only,) = batches_of(experiment, device)
    return only


def counted_rows(shape: MemoryParams, device: str) -> int:
    """Rows of a micro-batch that are really run; every further row is exactly as large."""
    return min(shape.batch, max(3, COUNTED_TOKENS.get(device, 256) // shape.length))


def random_rows(count: int, length: int, device: str) -> Tensor:
    """Rows [count, length + 1] of ids, for what does not depend on the text."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(3, ModelConfig().vocab_size, (count, length + 1), generator=generator).to(device)
