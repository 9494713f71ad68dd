"""Four trainings from the same weights on the same text, which differ in their precision alone.

A mean over N tokens is made from fewer by an exact 1/N on the summed loss; after the backward pass the
FP32 gradients are multiplied by N / T, also exactly, so that every arm takes the step that a mean over
its T tokens asks for. What FP16 lost in between is lost.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_

from labs.q10_grad_scaler.gradients import logits_loss
from labs.q10_grad_scaler.passes import targets_in
from labs.q10_grad_scaler.specimens import copied
from minimind_core.model.minimind import MiniMind
from minimind_core.training.optimizer import set_learning_rate

ARMS: dict[str, torch.dtype | None] = {
    "fp32": None,
    "fp16": torch.float16,
    "fp16_scaler": torch.float16,
    "bf16": torch.bfloat16,
}
CLIP_NORM = 1.0
WARMUP = 10
"""Steps over which the learning rate rises to its full size."""


class Arm:
    """One training run. `step` takes rows int64 [B, T + 1] and gives the loss of a token before the step.

    `scales` are those after each step, all 1 without a scaler.
    """

    def __init__(self, name: str, model: MiniMind, learning_rate: float, tokens: int) -> None:
        self.name, self.model, self.tokens = name, copied(model), tokens
        self.skipped, self.learning_rate = 0, learning_rate
        self.scales: list[float] = []
        device = model.model.embed_tokens.weight.device
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=learning_rate,
            betas=(0.9, 0.95),
            weight_decay=0.1,
            fused=device.type == "cuda",
        )
        self.scaler = GradScaler(device.type, enabled=name == "fp16_scaler")

    def step(self, rows: Tensor) -> Tensor:
        """One update; the loss stays on the device."""
        taken = len(self.scales) + 1
        set_learning_rate([self.optimizer], self.learning_rate * min(1, taken / WARMUP))
        self.optimizer.zero_grad(set_to_none=True)
        loss = logits_loss(self.model, rows, ARMS[self.name])
        self.scaler.scale(loss / self.tokens).backward()
        self.scaler.unscale_(self.optimizer)
        for parameter in self.model.parameters():
            assert parameter.grad is not None
            parameter.grad *= self.tokens / targets_in(rows)
        clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scales.append(self.scaler.get_scale())
        self.skipped += self.scales[-1] < before
        return loss.detach() / targets_in(rows)

    def zero_percent(self) -> float:
        """Elements of the last gradient that are exactly zero."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        zeros = sum(int((gradient == 0).sum()) for gradient in gradients)
        return 100 * zeros / sum(gradient.numel() for gradient in gradients)
