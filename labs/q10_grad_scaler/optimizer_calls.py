"""One optimizer step with gradient accumulation, its calls in the right order and in wrong ones, for real.

Each order is written out as one would write it, for a copy of the same model and the same micro-batches;
what is compared is the gradient that the optimizer was handed. Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_

from labs.tools.gradients import copies, gradients, mean_loss, summed_loss
from labs.tools.models import copied
from minimind_core.model.minimind import MiniMind


class Step:
    """One optimizer step about to happen. `handed` is the gradient when the optimizer runs; empty before."""

    def __init__(self, model: MiniMind, micro_batches: Sequence[Tensor], clip: float, scale: float) -> None:
        self.model, self.micro_batches, self.clip = copied(model), micro_batches, clip
        self.scaler = GradScaler(micro_batches[0].device.type, init_scale=scale)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.handed: list[Tensor] = []
        self.optimizer.register_step_pre_hook(lambda *_: self.handed.extend(copies(gradients(self.model))))

    def scaled_backward(self, rows: Tensor) -> None:
        """Add the gradient of one micro-batch, which counts its share of the mean."""
        loss = mean_loss(self.model, rows, torch.float16) / len(self.micro_batches)
        self.scaler.scale(loss).backward()

    def all_backward(self) -> None:
        """Add the gradients of all micro-batches."""
        for rows in self.micro_batches:
            self.scaled_backward(rows)

    def clip_gradients(self) -> None:
        """Clip all gradients together to the norm `clip`."""
        clip_grad_norm_(self.model.parameters(), self.clip)

    def step_and_update(self) -> None:
        """Run the optimizer unless a gradient is not finite; then adapt the scale."""
        self.scaler.step(self.optimizer)
        self.scaler.update()


def correct(step: Step) -> None:
    """Scale and backward for each micro-batch; then once unscale, clip, step, update."""
    step.all_backward()
    step.scaler.unscale_(step.optimizer)
    step.clip_gradients()
    step.step_and_update()


def clip_first(step: Step) -> None:
    """Clips what is still scaled."""
    step.all_backward()
    step.clip_gradients()
    step.scaler.unscale_(step.optimizer)
    step.step_and_update()


def no_unscale(step: Step) -> None:
    """Runs the optimizer itself on gradients that nobody unscaled."""
    step.all_backward()
    step.optimizer.step()
    step.scaler.update()


def unscale_each(step: Step) -> None:
    """Unscales after every micro-batch."""
    for rows in step.micro_batches:
        step.scaled_backward(rows)
        step.scaler.unscale_(step.optimizer)
    step.clip_gradients()
    step.step_and_update()


def update_each(step: Step) -> None:
    """Unscales and updates after every micro-batch, which torch allows."""
    for rows in step.micro_batches:
        step.scaled_backward(rows)
        step.scaler.unscale_(step.optimizer)
        step.scaler.update()
    step.clip_gradients()
    step.optimizer.step()


def fp16_parameters(step: Step) -> None:
    """The right order on parameters that are FP16 themselves."""
    step.model.half()
    correct(step)


ORDERS = (correct, clip_first, no_unscale, unscale_each, update_each, fp16_parameters)


def tried(order: Callable[[Step], None], step: Step) -> str:
    """Make the step in that order; gives torch's own error, empty where there was none."""
    try:
        order(step)
    except (AssertionError, RuntimeError, ValueError) as error:  # torch asserts in `update`
        return f"{type(error).__name__}: {error}"
    return ""


def true_gradient(model: MiniMind, rows: Tensor, clip: float) -> tuple[list[Tensor], float]:
    """The FP32 gradient of all micro-batches as one batch after clipping, and its norm before."""
    copy = copied(model)
    mean_loss(copy, rows, None).backward()
    before = float(clip_grad_norm_(copy.parameters(), clip))
    return gradients(copy), before


def scaling_is_exact(model: MiniMind, rows: Tensor, scale: float) -> bool:
    """Whether the FP32 gradient of the scaled loss over the scale equals the plain one bit for bit."""
    plain, scaled = (copied(model).use_attention("eager") for _ in range(2))  # fused ones add in any order
    summed_loss(plain, rows, None).backward()
    (summed_loss(scaled, rows, None) * scale).backward()
    return all(torch.equal(a, b / scale) for a, b in zip(gradients(plain), gradients(scaled), strict=True))
