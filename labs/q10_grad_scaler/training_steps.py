"""Whole training steps in each precision: of trainings that differ in nothing else, and to be timed.

Imports torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_

from labs.contract import Numbers, OnProgress
from labs.q10_grad_scaler.backward_passes import autocast_dtype
from labs.tools.gradients import copies, gradients, mean_loss, relative_error, summed_loss, targets_in
from labs.tools.models import copied
from minimind_core.model.minimind import MiniMind
from minimind_core.training.optimizer import set_learning_rate

CLIP_NORM = 1.0
WARMUP = 10
"""Steps over which the learning rate rises to its full size."""
TIMED_LEARNING_RATE = 1e-5
COMPARE_SCALE = 2.0**10
"""At this scale FP16's gradients lie well inside its window."""


class Training:
    """A training run of a copy of `model` in one precision; the mean is over `tokens` tokens.

    That mean is made from fewer tokens by an exact 1/N on the summed loss; after the backward pass the
    FP32 gradients are multiplied by N / T, also exactly, so that every run takes the step that a mean over
    its T tokens asks for. What FP16 lost in between is lost.

    `scales` are those after each step, all 1 without a scaler; `skipped` counts the steps that it skipped.
    """

    def __init__(self, way: str, model: MiniMind, learning_rate: float, tokens: int) -> None:
        self.model, self.dtype, self.tokens = copied(model), autocast_dtype(way), tokens
        self.learning_rate, self.skipped = learning_rate, 0
        self.scales: list[float] = []
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), betas=(0.9, 0.95), weight_decay=0.1, fused=model.device.type == "cuda"
        )
        self.scaler = GradScaler(model.device.type, enabled=way == "fp16_scaler")

    def step(self, rows: Tensor) -> float:
        """One update on rows int64 [B, T + 1]; the loss of a token before it."""
        set_learning_rate([self.optimizer], self.learning_rate * min(1, (len(self.scales) + 1) / WARMUP))
        self.optimizer.zero_grad(set_to_none=True)
        loss = summed_loss(self.model, rows, self.dtype)
        self.scaler.scale(loss / self.tokens).backward()
        self.scaler.unscale_(self.optimizer)
        for gradient in gradients(self.model):
            gradient *= self.tokens / targets_in(rows)
        clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scales.append(self.scaler.get_scale())
        self.skipped += self.scales[-1] < before
        return loss.item() / targets_in(rows)

    def zero_percent(self) -> float:
        """Elements of the last gradient that are exactly zero, in percent."""
        zeros = sum(int((gradient == 0).sum()) for gradient in gradients(self.model))
        return 100 * zeros / sum(gradient.numel() for gradient in gradients(self.model))


def timed_steps(model: MiniMind, rows: Tensor, ways: Sequence[str]) -> dict[str, Callable[[], None]]:
    """A call for each way that makes one step with AdamW; all share the model and the optimizer's state."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=TIMED_LEARNING_RATE, fused=rows.is_cuda)

    def step(way: str, scaler: GradScaler) -> None:
        optimizer.zero_grad(set_to_none=True)
        with _tf32(way == "tf32"):
            scaler.scale(mean_loss(model, rows, autocast_dtype(way))).backward()
        scaler.step(optimizer)
        scaler.update()

    device = rows.device.type
    return {
        way: partial(step, way, GradScaler(device, init_scale=COMPARE_SCALE, enabled=way == "fp16_scaler"))
        for way in ways
    }


def gradient_errors(model: MiniMind, rows: Tensor, on_progress: OnProgress) -> Numbers:
    """|g - g_fp32| / |g_fp32| of the whole gradient under autocast to FP16 (scaled) and BF16."""
    by_way: dict[str, list[Tensor]] = {}
    for index, way in enumerate(("fp32", "fp16", "bf16")):
        on_progress(index / 3)
        model.zero_grad(set_to_none=True)
        (mean_loss(model, rows, autocast_dtype(way)) * COMPARE_SCALE).backward()
        by_way[way] = copies(gradients(model))
    model.zero_grad(set_to_none=True)
    true = by_way.pop("fp32")
    return {way: relative_error(gradient, true) for way, gradient in by_way.items()}


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Lets CUDA multiply FP32 matrices in TF32 within the block."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
