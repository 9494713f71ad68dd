"""Training steps on batches that somebody made up, and what they leave in every tensor. Imports torch.

One optimizer step is one or more micro-batches, a clip, and AdamW; FP16 goes through torch's GradScaler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_

from labs.q02_empty_text.losses import LOSSES, step_count
from labs.q02_empty_text.row_kinds import LoadedRow, padded
from labs.tools.gradients import gradients, norm
from labs.tools.models import copied
from minimind_core.model.minimind import MiniMind

LEARNING_RATE = 5e-4
MAX_NORM = 1.0
AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}

GradientState = Literal["none", "zeros", "numbers", "nan"]
WeightState = Literal["unmoved", "numbers", "nan"]


@dataclass(frozen=True)
class MicroBatch:
    """Ids [B, T + 1] and the mask [B, T] of the targets that count."""

    ids: Tensor
    mask: Tensor

    @classmethod
    def of(cls, rows: Sequence[LoadedRow], pad_id: int, length: int, device: str) -> MicroBatch:
        """The rows, padded on the right to `length` + 1 ids."""
        ids, mask = padded(rows, pad_id, length)
        return cls(torch.tensor(ids, device=device), torch.tensor(mask, device=device, dtype=torch.float32))

    @property
    def num_targets(self) -> int:
        return int(self.mask.sum())


def training_copy(model: MiniMind, tied: bool) -> MiniMind:
    """An FP32 copy to be trained; untied, its head begins as a copy of the embedding."""
    if tied == model.config.tie_word_embeddings:
        return copied(model)
    assert model.config.tie_word_embeddings, "an untied checkpoint stays untied"
    embedding = model.model.embed_tokens.weight.detach()
    with torch.random.fork_rng(devices=[]):
        copy = MiniMind(model.config.replace(tie_word_embeddings=False))
    copy.load_state_dict({**model.state_dict(), "lm_head.weight": embedding.clone()})
    return copy.to(embedding.device, torch.float32)


class Training:
    """A model, AdamW, and the way its loss is written. `error` is what the scaler raised, else empty."""

    def __init__(self, model: MiniMind, formula: str, precision: str, clip: bool) -> None:
        self.model, self.formula, self.clip = model, formula, clip
        self.device = model.device.type
        self.dtype = AUTOCAST[precision]
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
        self.scaler = GradScaler(self.device, enabled=precision == "fp16")
        self.error = ""

    def accumulate(self, micro_batches: Sequence[MicroBatch]) -> list[float]:
        """The gradients of the micro-batches, each one's share of the step; gives their losses."""
        self.optimizer.zero_grad()
        count = torch.stack([batch.mask.sum() for batch in micro_batches]).sum()
        losses = []
        for batch in micro_batches:
            with torch.autocast(self.device, self.dtype, enabled=self.dtype is not None):
                logits = self.model(batch.ids[:, :-1]).float()  # [B, T, V]
            targets = batch.ids[:, 1:]
            if self.formula == "step_count":
                loss = step_count(logits, targets, batch.mask, count)
            else:
                loss = LOSSES[self.formula](logits, targets, batch.mask) / len(micro_batches)
            self.scaler.scale(loss).backward()
            losses.append(float(loss.detach()) * (1 if self.formula == "step_count" else len(micro_batches)))
        return losses

    def clip_gradients(self) -> float:
        """The norm of the unscaled gradient, clipped to MAX_NORM if asked for; NaN where it is not finite.

        Unscaling raises nothing, so it can stand before the step that does.
        """
        found = gradients(self.model)
        if not found:
            return 0.0
        self.scaler.unscale_(self.optimizer)
        return float(clip_grad_norm_(self.model.parameters(), MAX_NORM)) if self.clip else norm(found)

    def step(self) -> None:
        """Let the optimizer step, through the scaler; its complaint is kept, not raised."""
        try:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        except AssertionError as error:
            self.error = f"{type(error).__name__}: {error}"

    def gradient_states(self) -> list[GradientState]:
        """By parameter, what is in its gradient."""
        states: list[GradientState] = []
        for weight in self.model.parameters():
            gradient = weight.grad
            if gradient is None:
                states.append("none")
            elif not bool(gradient.isfinite().all()):
                states.append("nan")
            else:
                states.append("numbers" if bool(gradient.any()) else "zeros")
        return states

    def weight_states(self, before: Sequence[Tensor]) -> list[WeightState]:
        """By parameter, whether it is NaN somewhere, else whether it moved from `before`."""
        states: list[WeightState] = []
        for weight, old in zip(self.model.parameters(), before, strict=True):
            if bool(weight.isnan().any()):
                states.append("nan")
            else:
                states.append("unmoved" if torch.equal(weight, old) else "numbers")
        return states

    def weights(self) -> list[Tensor]:
        """Copies of the weights as they are now."""
        return [weight.detach().clone() for weight in self.model.parameters()]

    def nan_gradients(self) -> int:
        """Entries of all gradients that are not finite."""
        return sum(int((~gradient.isfinite()).sum()) for gradient in gradients(self.model))

    def nan_weights(self) -> list[int]:
        """NaN entries by parameter."""
        return [int(weight.isnan().sum()) for weight in self.model.parameters()]

    def nan_moments(self) -> int:
        """NaN entries of AdamW's two moments together."""
        states = self.optimizer.state.values()
        return sum(int(state[name].isnan().sum()) for state in states for name in ("exp_avg", "exp_avg_sq"))


@dataclass(frozen=True)
class Aftermath:
    """What one optimizer step was and did.

    `states` by parameter: the gradient after backward and after clipping, and the weight after the step.
    `changed` counts entries that differ, NaN included; `mean_move` is the mean distance over all of them.
    """

    loss: float
    norm: float
    nan_gradients: int
    nan_weights: list[int]
    nan_moments: int
    states: list[list[str]]
    changed: int
    mean_move: float
    scales: tuple[float, float]
    after: list[Tensor]


def examined_step(training: Training, micro_batches: Sequence[MicroBatch]) -> Aftermath:
    """An optimizer step, looked at after each of its parts; the loss is the last micro-batch's."""
    before, scale = training.weights(), float(training.scaler.get_scale())
    loss = training.accumulate(micro_batches)[-1]
    backward, nan_gradients = training.gradient_states(), training.nan_gradients()
    norm = training.clip_gradients()
    clipped = training.gradient_states()
    training.step()
    after, nan = training.weights(), training.nan_weights()
    distance = sum(float((new - old).abs().sum()) for old, new in zip(before, after, strict=True))
    columns = zip(backward, clipped, training.weight_states(before), strict=True)
    return Aftermath(
        loss,
        norm,
        nan_gradients,
        nan,
        training.nan_moments(),
        [list(states) for states in columns],
        sum(int((old != new).sum()) for old, new in zip(before, after, strict=True)),
        distance / sum(old.numel() for old in before),
        (scale, float(training.scaler.get_scale())),
        after,
    )


def ordinary_step(training: Training, batch: MicroBatch) -> float:
    """An optimizer step on one batch; its loss."""
    loss = training.accumulate([batch])[0]
    training.clip_gradients()
    training.step()
    return loss
