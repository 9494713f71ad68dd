"""Ways to look at a training step, ready to be timed. Imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from labs.tools.gradients import mean_loss
from labs.tools.models import hooked
from minimind_core.model.minimind import MiniMind
from minimind_core.training.nonfinite import TensorWatch


def looks(model: MiniMind, ids: Tensor) -> dict[str, Callable[[], Any]]:
    """A call for each way; all make the same forward and backward pass over ids int64 [B, T + 1]."""

    def plain() -> Tensor:
        model.zero_grad(set_to_none=True)
        loss = mean_loss(model, ids, None)
        loss.backward()
        return loss

    def loss_alone() -> bool:
        return bool(plain().isfinite())

    def deferred() -> object:
        with TensorWatch(model) as watch:
            plain()
        return watch.first_nonfinite()

    def hooks() -> None:
        """Ask the host about every output, and about every gradient that arrives there."""
        with hooked(module.register_forward_hook(_ask) for module in model.modules()):
            plain()

    def anomaly() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.autograd.set_detect_anomaly(True):
                plain()

    return {"plain": plain, "loss": loss_alone, "deferred": deferred, "hooks": hooks, "anomaly": anomaly}


def tensors_seen(model: MiniMind, ids: Tensor) -> int:
    """How many tensors the core's watch looks at in a pass."""
    with TensorWatch(model) as watch:
        mean_loss(model, ids, None).backward()
    return len(watch.read())


def _ask(_module: nn.Module, _inputs: Any, output: Any) -> None:
    if not isinstance(output, Tensor):
        return
    _all_finite(output)
    if output.requires_grad:
        output.register_hook(_all_finite)


def _all_finite(tensor: Tensor) -> None:
    tensor.isfinite().all().item()
