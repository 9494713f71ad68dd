"""Counts the bytes of a training step tensor by tensor: states, half-precision copies, activations.

The activations are the tensors that autograd keeps for the backward pass, each storage once. What lives
for a moment only (workspaces, a gradient on its way) is not in the ledger; CUDA's own peak has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from labs.q10_grad_scaler.gradients import logits_loss
from labs.q10_grad_scaler.limits import random_rows
from labs.q10_grad_scaler.params import MemoryParams
from minimind_core.model.minimind import MiniMind

VARIANTS: dict[str, torch.dtype | None] = {
    "fp32": None,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "pure_bf16": None,
}
"""The dtype of autocast; `pure_bf16` has BF16 weights and no autocast."""


class Casts(TorchDispatchMode):
    """Notes the storages that are copies of parameters in another dtype, as autocast makes them.

    Calls `told` before every operation, which may raise.
    """

    def __init__(self, parameters: Collection[int], told: Callable[[], None]) -> None:
        super().__init__()
        self._parameters, self._told = parameters, told
        self.made: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and look whether it cast a parameter."""
        self._told()
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and address(args[0]) in self._parameters:
            self.made.add(address(output))
        return output


def kept_for_backward(
    model: MiniMind, rows: Tensor, dtype: torch.dtype | None, told: Callable[[], None]
) -> dict[str, int]:
    """Bytes that a forward pass over rows [B, T + 1] leaves for the backward pass: copies and the rest."""
    parameters = {address(parameter) for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[address(tensor)] = tensor
        return tensor

    casts = Casts(parameters, told)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), casts:
        loss = logits_loss(model, rows, dtype)
    sizes = {
        where: tensor.untyped_storage().nbytes() for where, tensor in kept.items() if where not in parameters
    }
    del loss
    copies = sum(size for where, size in sizes.items() if where in casts.made)
    return {"casts": copies, "activations": sum(sizes.values()) - copies}


def whole_batch(
    model: MiniMind, shape: MemoryParams, dtype: torch.dtype | None, rows: int, told: Callable[[], None]
) -> dict[str, int]:
    """As `kept_for_backward` of the whole micro-batch, of which `rows` are run: all, or at least 3."""
    device = model.model.embed_tokens.weight.device.type
    counted = kept_for_backward(model, random_rows(rows, shape.length, device), dtype, told)
    if rows == shape.batch:
        return counted
    fewer = kept_for_backward(model, random_rows(rows - 1, shape.length, device), dtype, told)
    each_row = counted["activations"] - fewer["activations"]
    return counted | {"activations": counted["activations"] + (shape.batch - rows) * each_row}


def states_after_step(model: MiniMind, rows: Tensor, dtype: torch.dtype | None) -> dict[str, int]:
    """Bytes of weights, gradients, AdamW's moments and its step counters after one real step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    logits_loss(model, rows, dtype).backward()
    optimizer.step()
    state = [tensor for kept in optimizer.state.values() for tensor in kept.values()]
    found = {
        "weights": _bytes(model.parameters()),
        "gradients": _bytes(p.grad for p in model.parameters() if p.grad is not None),
        "moments": _bytes(tensor for tensor in state if tensor.dim() > 0),
        "counters": _bytes(tensor for tensor in state if tensor.dim() == 0),
    }
    optimizer.zero_grad(set_to_none=True)
    return found


def cuda_peak(model: MiniMind, rows: Tensor, dtype: torch.dtype | None) -> int:
    """The most bytes that one warm training step had allocated at once, states included, others' not."""
    of_others = torch.cuda.memory_allocated() - _bytes(model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.reset_peak_memory_stats()
        logits_loss(model, rows, dtype).backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return torch.cuda.max_memory_allocated() - of_others


def address(tensor: Tensor) -> int:
    """Of its storage; the same for a tensor and its views."""
    return tensor.untyped_storage().data_ptr()


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
