"""Counts the bytes of a training step tensor by tensor: states, half-precision copies, activations.

The activations are the tensors that autograd keeps for the backward pass, each storage once. What lives
for a moment only (workspaces, a gradient on its way) is not in the ledger; CUDA's own peak has it.
Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from labs.tools.gradients import gradients, random_rows, summed_loss
from labs.tools.storages import address
from minimind_core.model.minimind import MiniMind


class Casts(TorchDispatchMode):
    """Collects in `made` the storages that are copies of parameters in another dtype, as autocast makes them.

    Calls `check` before every operation, which may raise.
    """

    def __init__(self, parameters: Collection[int], check: Callable[[], object]) -> None:
        super().__init__()
        self._parameters, self._check = parameters, check
        self.made: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and look whether it cast a parameter."""
        self._check()
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and address(args[0]) in self._parameters:
            self.made.add(address(output))
        return output


def kept_for_backward(
    model: MiniMind, rows: Tensor, dtype: torch.dtype | None, check: Callable[[], object]
) -> dict[str, int]:
    """Bytes that a forward pass over rows [B, T + 1] leaves for the backward pass: copies and the rest."""
    parameters = {address(parameter) for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[address(tensor)] = tensor
        return tensor

    casts = Casts(parameters, check)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), casts:
        loss = summed_loss(model, rows, dtype)
    sizes = {at: tensor.untyped_storage().nbytes() for at, tensor in kept.items() if at not in parameters}
    del loss
    copies = sum(size for at, size in sizes.items() if at in casts.made)
    return {"casts": copies, "activations": sum(sizes.values()) - copies}


def batch_bytes(
    model: MiniMind,
    rows: int,
    length: int,
    dtype: torch.dtype | None,
    most_tokens: int,
    check: Callable[[], object],
) -> dict[str, int]:
    """As `kept_for_backward` of a batch [rows, length] of ids; on CUDA also the "peak" of a training step.

    About `most_tokens` are really run, in at least 3 rows: every further row is exactly as large as the last.
    """
    run = min(rows, max(3, most_tokens // length))
    kept = kept_for_backward(model, random_rows(model, run, length), dtype, check)
    if run < rows:
        fewer = kept_for_backward(model, random_rows(model, run - 1, length), dtype, check)
        kept["activations"] += (rows - run) * (kept["activations"] - fewer["activations"])
    if model.device.type == "cuda":
        kept["peak"] = cuda_peak(model, random_rows(model, rows, length), dtype)
    return kept


def states_after_step(model: MiniMind, dtype: torch.dtype | None) -> dict[str, int]:
    """Bytes of weights, gradients, AdamW's moments and its step counters after one real step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    summed_loss(model, random_rows(model, 1, 8), dtype).backward()
    optimizer.step()
    state = [tensor for states in optimizer.state.values() for tensor in states.values()]
    sizes = {
        "weights": _bytes(model.parameters()),
        "gradients": _bytes(gradients(model)),
        "moments": _bytes(tensor for tensor in state if tensor.dim() > 0),
        "counters": _bytes(tensor for tensor in state if tensor.dim() == 0),
    }
    optimizer.zero_grad(set_to_none=True)
    return sizes


def cuda_peak(model: MiniMind, rows: Tensor, dtype: torch.dtype | None) -> int:
    """The most bytes that one warm training step had allocated at once, states included, others' not."""
    of_others = torch.cuda.memory_allocated() - _bytes(model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.reset_peak_memory_stats()
        summed_loss(model, rows, dtype).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return torch.cuda.max_memory_allocated() - of_others


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
