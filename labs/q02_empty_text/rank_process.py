"""One rank of a data-parallel training of a tiny model, a process of its own that reports line by line.

    python -m labs.q02_empty_text.rank_process '{"rank": 0, ...}'

Each line of standard output is a JSON object: `launched` (an all-reduce, by the step that it belongs to),
`step` with the loss and the weights after it, `done` or `error`. The process then waits, as a job that ends
with a checkpoint or a barrier would, until standard input is closed. Imports torch.
"""

import json
import os
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from labs.q02_empty_text.losses import LOSSES

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
    device: str
    store: str
    """A file that both ranks meet at."""
    timeout: float
    """Seconds after which a collective gives up."""


def main() -> None:
    """Train as told, and say what happens; an error is a report, not an exit code."""
    told = Rank(**json.loads(sys.argv[1]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    try:
        _train(told)
        _report(done=True)
    except RuntimeError as error:
        _report(error=f"{type(error).__name__}: {error}".splitlines()[0])
    threading.Event().wait()


def _train(told: Rank) -> None:
    backend = "nccl" if told.device == "cuda" else "gloo"
    device = torch.device(told.device, told.rank) if backend == "nccl" else torch.device("cpu")
    dist.init_process_group(
        backend,
        store=dist.FileStore(told.store, 2),
        rank=told.rank,
        world_size=2,
        timeout=timedelta(seconds=told.timeout),
    )
    torch.manual_seed(0)
    norm = [nn.BatchNorm1d(FEATURES)] if told.buffers else []
    layers = nn.Sequential(*norm, nn.Linear(FEATURES, VOCAB)).to(device)
    model = DistributedDataParallel(layers, device_ids=[device] if backend == "nccl" else None)
    now = {"step": 0}

    def hear(_state: object, bucket: dist.GradBucket) -> Future[Tensor]:  # torch reads these types
        _report(launched=now["step"])
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
        _report(step=step, loss=loss, weights=[float(f"{value:.7g}") for value in weights.tolist()])


def _batch(told: Rank, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs [N, FEATURES], targets [N] and mask [N] of a rank's step, always the same."""
    random = torch.Generator().manual_seed(1000 * told.rank + step)
    inputs = torch.randn(POSITIONS, FEATURES, generator=random)
    targets = torch.randint(VOCAB, (POSITIONS,), generator=random)
    empty = told.rank == 0 and step == told.empty_at
    return inputs, targets, torch.zeros(POSITIONS) if empty else torch.ones(POSITIONS)


def _report(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _end_with_parent() -> None:
    """Standard input ends when the parent closes it or is no more; a hanging collective ends with it."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
