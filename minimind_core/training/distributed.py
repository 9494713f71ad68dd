"""Several processes as one: the group that torchrun starts, and sums over it.

Gradients are summed once an update, after the last micro-batch, in one message. There is no wrapper
around the model, so the same step runs with one process or many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

# Before there is a group: imported later, by an optimizer, its default arguments would hold the group until
# the interpreter ends, and gloo's threads, still running then, can abort a run that has succeeded.
import torch.distributed.nn
from torch import Tensor

Picklable = TypeVar("Picklable")


@dataclass(frozen=True)
class Processes:
    """This process among all of a run."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """The one that prints and saves."""
        return self.rank == 0

    def sum_(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes; does nothing alone."""
        if self.count == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        torch._foreach_copy_(
            [tensor.view(-1) for tensor in tensors], list(flat.split([tensor.numel() for tensor in tensors]))
        )

    def gather(self, value: Picklable) -> list[Picklable]:
        """What every process gives, by rank; every process has to call it."""
        if self.count == 1:
            return [value]
        gathered = [value] * self.count
        dist.all_gather_object(gathered, value)
        return gathered


def join_processes(device_type: str) -> Processes:
    """Join the group that torchrun started (its environment says so); alone otherwise.

    NCCL on CUDA, one process a GPU; gloo elsewhere.
    """
    if "WORLD_SIZE" not in os.environ:
        return Processes()
    if not dist.is_initialized():
        if device_type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size())


def leave_processes() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()
