"""Whole training steps of the 26M's shape in each precision, ready to be timed, and the price in digits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.amp import GradScaler

from labs.q10_grad_scaler.gradients import logits_loss
from labs.q10_grad_scaler.ordering import gradients, relative_error
from labs.q10_grad_scaler.passes import targets_in
from minimind_core.model.minimind import MiniMind

WAYS: dict[str, torch.dtype | None] = {
    "fp32": None,
    "tf32": None,
    "fp16": torch.float16,
    "fp16_scaler": torch.float16,
    "bf16": torch.bfloat16,
}
COMPARED = {"fp16": torch.float16, "bf16": torch.bfloat16}
COMPARE_SCALE = 2.0**10
"""With it FP16's gradients lie well inside its window."""
LEARNING_RATE = 1e-5


class TrainingStep:
    """Forward, backward, AdamW on one batch; every way shares the model and the optimizer's state."""

    def __init__(self, model: MiniMind, rows: Tensor) -> None:
        self.model, self.rows = model, rows
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=rows.is_cuda)

    def ways(self) -> dict[str, Callable[[], None]]:
        """A call that makes one step, by name; TF32 on CUDA only."""
        device = self.rows.device.type
        scalers = {
            name: GradScaler(device, init_scale=COMPARE_SCALE, enabled=name == "fp16_scaler") for name in WAYS
        }
        return {
            name: partial(self._step, name, scalers[name])
            for name in WAYS
            if name != "tf32" or device == "cuda"
        }

    def _step(self, name: str, scaler: GradScaler) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with _tf32(name == "tf32"):
            loss = logits_loss(self.model, self.rows, WAYS[name]) / targets_in(self.rows)
            scaler.scale(loss).backward()
        scaler.step(self.optimizer)
        scaler.update()


def gradient_errors(model: MiniMind, rows: Tensor, told: Callable[[], None]) -> dict[str, float]:
    """|g - g_fp32| / |g_fp32| of the whole gradient under autocast to FP16 (scaled) and BF16."""
    found: dict[str, Sequence[Tensor]] = {}
    for name, dtype in {"fp32": None, **COMPARED}.items():
        told()
        model.zero_grad(set_to_none=True)
        (logits_loss(model, rows, dtype) / targets_in(rows) * COMPARE_SCALE).backward()
        found[name] = gradients(model)
    model.zero_grad(set_to_none=True)
    return {name: relative_error(found[name], found["fp32"]) for name in COMPARED}


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Lets CUDA multiply FP32 matrices in TF32 within the block."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
