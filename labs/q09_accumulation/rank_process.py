"""One of two ranks that accumulate a window under DistributedDataParallel, run by labs/tools/rank.py.

Both ranks know all micro-batches; rank r has every second one. Reports each window that it made, with and
without `no_sync` in turn. Imports torch.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from labs.q09_accumulation.window_gradients import big_batch_gradient, token_losses
from labs.tools.gradients import relative_error
from labs.tools.models import untrained
from labs.tools.rank import report, take_part
from minimind_core.device import synchronize
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind

WAYS = ("every", "no_sync")
"""All-reduces after every micro-batch, or after the last one only."""
WORLD = 2


class SummedLosses(nn.Module):
    """A model whose forward is its summed loss, so that all of it runs inside the data-parallel wrapper."""

    def __init__(self, model: MiniMind) -> None:
        super().__init__()
        self.model = model

    def forward(self, row: Tensor) -> Tensor:
        """row int64 [T + 1] -> nats, summed over its T targets."""
        return token_losses(self.model, row[None]).sum()


def train(told: dict[str, Any], device: torch.device) -> None:
    """Make told["rounds"] windows each way, and compare the last of each with one big batch."""
    counts, rank = told["counts"], told["rank"]
    model = untrained(PRESETS[told["size"]], device, told["seed"])
    random = torch.Generator().manual_seed(told["seed"])
    rows = torch.randint(3, model.config.vocab_size, (len(counts), max(counts) + 1), generator=random)
    rows = rows.to(device)
    own = range(rank, len(counts), WORLD)
    micro_batches = [rows[place, : counts[place] + 1] for place in own]
    sent = {"all_reduces": 0, "bytes": 0}

    def hear(_state: object, bucket: dist.GradBucket) -> Future[Tensor]:
        sent["all_reduces"] += 1
        sent["bytes"] += bucket.buffer().nbytes
        return allreduce_hook(dist.group.WORLD, bucket)

    hear.__annotations__ = {"bucket": dist.GradBucket, "return": Future[Tensor]}  # torch reads these types
    on_gpu = [device] if device.type == "cuda" else None
    parallel = DistributedDataParallel(SummedLosses(model), device_ids=on_gpu)
    parallel.register_comm_hook(None, hear)
    true = big_batch_gradient(model, rows, counts)
    for number in range(1 + told["rounds"]):  # the first warms up: torch arranges its buckets anew
        for way in WAYS if number % 2 else reversed(WAYS):
            sent["all_reduces"] = sent["bytes"] = 0
            parallel.zero_grad(set_to_none=True)
            synchronize(device)
            dist.barrier()
            began = time.perf_counter()
            _window(parallel, micro_batches, sum(counts), quiet=way == "no_sync")
            synchronize(device)
            seconds = time.perf_counter() - began
            error = relative_error([_gradient(parameter) for parameter in model.parameters()], true)
            report(step=number, way=way, seconds=seconds, error=error, **sent)


def _window(
    parallel: DistributedDataParallel, micro_batches: Sequence[Tensor], tokens: int, *, quiet: bool
) -> None:
    """Leave in .grad the gradient of the mean over the tokens of all ranks.

    DDP averages over the ranks, hence the factor.
    """
    for index, row in enumerate(micro_batches):
        last = index == len(micro_batches) - 1
        with parallel.no_sync() if quiet and not last else contextlib.nullcontext():
            (parallel(row) * WORLD / tokens).backward()


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


if __name__ == "__main__":
    take_part(train)
