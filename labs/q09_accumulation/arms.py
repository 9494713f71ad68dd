"""Trainings of copies of one model that differ in how an update gets its gradient. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from labs.q09_accumulation.window_gradients import OPTIMIZERS, heard_in_every_layer, token_losses
from labs.tools.models import copied
from minimind_core.model.minimind import MiniMind

TRAINERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    **OPTIMIZERS,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
}
"""Momentum's first update is plain SGD's, so that only a training shows it."""


class Arm:
    """A training of a copy of `model` on windows of rows [A, b, T + 1].

    `micro_batches`: add up the mean of every b rows, or else take all at once. `divide` by their number.
    `clip` is the largest norm, None for any. It stops for good at the first loss or gradient that is not
    finite: `diverged` is then the number of that update, counted from 1. A model held in memory with its
    gradient and AdamW's moments takes 16 bytes a parameter.
    """

    def __init__(
        self,
        model: MiniMind,
        optimizer: str,
        learning_rate: float,
        *,
        micro_batches: bool,
        divide: bool,
        clip: float | None,
    ) -> None:
        self.model = copied(model).train()
        self.optimizer = TRAINERS[optimizer](self.model.parameters(), lr=learning_rate)
        self.micro_batches, self.divide, self.clip = micro_batches, divide, clip
        self.updates = 0
        self.diverged: int | None = None

    def accumulate(self, window: Tensor, check: Callable[[], None]) -> float | None:
        """Leave an update's gradient in `.grad`. Returns the mean loss, or None once diverged."""
        if self.diverged is not None:
            return None
        self.optimizer.zero_grad(set_to_none=True)
        parts = list(window) if self.micro_batches else [window.flatten(0, 1)]
        total = 0.0
        with heard_in_every_layer(self.model, check):
            for rows in parts:
                loss = token_losses(self.model, rows).mean()
                (loss / len(parts) if self.divide else loss).backward()
                total += float(loss.detach()) / len(parts)
        return total

    def step(self, loss: float | None) -> tuple[float, float] | None:
        """Clip what `accumulate` left, and update. Its loss and the norm before the clip; None as there."""
        if loss is None:
            return None
        self.updates += 1
        norm = float(clip_grad_norm_(self.model.parameters(), math.inf if self.clip is None else self.clip))
        if not math.isfinite(loss + norm):
            self.diverged = self.updates
            return None
        self.optimizer.step()
        return loss, norm


def apart(one: Arm, other: Arm) -> float | None:
    """The largest difference of a weight between two arms; None where one has diverged."""
    if one.diverged or other.diverged:
        return None
    with torch.no_grad():
        return max(
            float((a - b).abs().max())
            for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True)
        )
