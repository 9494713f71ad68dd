"""One rank of a data-parallel training of a tiny model, run by labs/tools/rank.py.

Reports `step` with the loss and the weights after it. Imports torch.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from labs.q02_empty_text.losses import LOSSES
from labs.tools.rank import report, take_part

POSITIONS, FEATURES, VOCAB = 6, 8, 16
LEARNING_RATE = 0.1


@dataclass(frozen=True)
class Rank:
    """What one process is told. The batch of rank 0 at `empty_at` (from 1) has no target."""

    rank: int
    guard: str
    steps: int
    empty_at: int
    buffers: bool


def train(settings: dict[str, Any], device: torch.device) -> None:
    """Train as told, and say what happens."""
    told = Rank(**{field.name: settings[field.name] for field in fields(Rank)})
    torch.manual_seed(0)
    norm = [nn.BatchNorm1d(FEATURES)] if told.buffers else []
    layers = nn.Sequential(*norm, nn.Linear(FEATURES, VOCAB)).to(device)
    model = DistributedDataParallel(layers, device_ids=[device] if device.type == "cuda" else None)
    now = {"step": 0}

    def hear(_state: object, bucket: dist.GradBucket) -> Future[Tensor]:  # torch reads these types
        report(launched=now["step"])
        return allreduce_hook(dist.group.WORLD, bucket)

    model.register_comm_hook(None, hear)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    for step in range(1, told.steps + 1):
        now["step"] = step
        inputs, targets, mask = (tensor.to(device) for tensor in _batch(told, step))
        loss = 0.0
        if told.guard != "skip" or bool(mask.any()):
            optimizer.zero_grad()
            formula = "masked_mean" if told.guard == "skip" else told.guard
            value = LOSSES[formula](model(inputs), targets, mask)
            value.backward()
            optimizer.step()
            loss = float(value.detach())
        weights = torch.cat([weight.detach().flatten() for weight in model.parameters()])
        report(step=step, loss=loss, weights=[float(f"{value:.7g}") for value in weights.tolist()])


def _batch(told: Rank, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs [N, FEATURES], targets [N] and mask [N] of a rank's step, always the same."""
    random = torch.Generator().manual_seed(1000 * told.rank + step)
    inputs = torch.randn(POSITIONS, FEATURES, generator=random)
    targets = torch.randint(VOCAB, (POSITIONS,), generator=random)
    empty = told.rank == 0 and step == told.empty_at
    return inputs, targets, torch.zeros(POSITIONS) if empty else torch.ones(POSITIONS)


if __name__ == "__main__":
    take_part(train)
