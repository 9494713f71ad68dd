"""What flows through a backward pass: counts and histograms of the gradient at every linear layer.

Watches with backward hooks, as one would in training; changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.q10_grad_scaler.formats import HIGHEST, KINDS, LOWEST, PER_OCTAVE
from minimind_core.model.minimind import MiniMind

SMALLEST_NORMAL = {torch.float16: 2.0**-14, torch.bfloat16: 2.0**-126, torch.float32: 2.0**-126}
LOGITS = "logits"


def counts(gradient: Tensor) -> list[int]:
    """Elements that are zero, subnormal, normal, and Inf or NaN in the gradient's own dtype (`KINDS`)."""
    size = gradient.abs()
    finite, zero = size.isfinite(), size == 0
    tiny = (size < SMALLEST_NORMAL[gradient.dtype]) & ~zero
    numbers = [int(kind.sum()) for kind in (zero, tiny, ~finite)]
    return [numbers[0], numbers[1], gradient.numel() - sum(numbers), numbers[2]]


def histogram(gradient: Tensor) -> tuple[np.ndarray, int]:
    """How many |g| lie in each bin of exponents (`formats.edges`), int32, and how many are zero."""
    size = gradient.detach().float().abs().flatten()
    size = size[size > 0]
    exponents = size.log2().clamp(LOWEST, HIGHEST - 1 / PER_OCTAVE)
    places = ((exponents - LOWEST) * PER_OCTAVE).floor().long().cpu()
    bins = torch.bincount(places, minlength=(HIGHEST - LOWEST) * PER_OCTAVE)
    return bins.numpy().astype(np.int32), gradient.numel() - size.numel()


@dataclass
class Watched:
    """What the hooks saw in the last backward pass, by the name of the place, in the order of the model."""

    names: list[str]
    seen: dict[str, Any] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def watching(model: MiniMind, look: Callable[[Tensor], Any]) -> Iterator[Watched]:
    """Calls `look` with the gradient of the output of every nn.Linear while the block runs.

    The head shares its matrix with the embedding and is no module: `logits_loss` hooks the logits.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    watched = Watched([*layers, LOGITS])

    def hook(name: str) -> Callable[..., None]:
        def saw(_module: nn.Module, _inputs: Any, outputs: tuple[Tensor, ...]) -> None:
            watched.seen[name] = look(outputs[0])
            watched.dtypes["grad_output"] = dtype_of(outputs[0])

        return saw

    handles = [module.register_full_backward_hook(hook(name)) for name, module in layers.items()]
    try:
        yield watched
    finally:
        for handle in handles:
            handle.remove()


def logits_loss(
    model: MiniMind,
    rows: Tensor,
    dtype: torch.dtype | None,
    watched: Watched | None = None,
    look: Callable[[Tensor], Any] | None = None,
) -> Tensor:
    """Summed cross-entropy of rows int64 [B, T + 1] under autocast to `dtype` (None: as the weights are)."""
    inputs, targets = rows[:, :-1], rows[:, 1:]
    with torch.autocast(rows.device.type, dtype, enabled=dtype is not None):
        logits = model(inputs)  # [B, T, V]
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    if watched is not None and look is not None:
        watched.dtypes |= {"logits": dtype_of(logits), "loss": dtype_of(loss)}
        logits.register_hook(lambda gradient: watched.seen.__setitem__(LOGITS, look(gradient)))
    return loss


def group_of(name: str) -> str:
    """ "logits", or the number of the layer that a linear layer stands in.

    >>> group_of("model.layers.3.mlp.up_proj"), group_of(LOGITS)
    ('3', 'logits')
    """
    return next((part for part in name.split(".") if part.isdecimal()), LOGITS)


def shares_of(numbers: list[int]) -> dict[str, float]:
    """Counts by kind as shares."""
    total = sum(numbers)
    return {kind: number / total for kind, number in zip(KINDS, numbers, strict=True)}


def dtype_of(tensor: Tensor) -> str:
    """ "float16" and the like."""
    return str(tensor.dtype).removeprefix("torch.")
