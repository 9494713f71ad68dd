"""A training run with one planted fault, and with one repair: what the autopsy, the detective and the surgeon
look at. Imports torch.

The run is plain on purpose: one batch a step, no loss scale, nothing guarded, so that a fault spreads as it
would.
Steps are counted from 0; the fault is live from step `strike` on, or there alone where its cause is one batch
or one accident.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.q11_nan.cases import PLAIN, Case, Recipe
from labs.tools.models import copied
from minimind_core.model.minimind import MiniMind
from minimind_core.training.batches import IGNORE
from minimind_core.training.nonfinite import Seen, TensorWatch, nonfinite_state
from minimind_core.training.optimizer import clip_gradients

HIGH_RATE = 1e6
WIDE = 400.0
"""Factor on the gate and up projections of one block, whose product then leaves FP16."""
SHARP = 60.0
"""Factor on the logits; a softmax written out then gives exact zeros."""
PAD = 0


class Patient:
    """A copy of `model` that is trained on rows int64 [steps * B, T + 1], B a step."""

    def __init__(
        self,
        model: MiniMind,
        rows: Tensor,
        case: Case,
        batch_size: int,
        repair: str = "none",
        recipe: Recipe = PLAIN,
    ) -> None:
        self.model, self.rows, self.case = copied(model).train(), rows, case
        self.batch_size, self.repair, self.step, self.skipped = batch_size, repair, 0, 0
        self.recipe, self.optimizer = recipe, _optimizer(self.model, recipe)
        self.block = self.model.model.layers[case.block]
        self._saved: dict[str, Any] = {}
        self._plant_hooks()

    @property
    def live(self) -> bool:
        """Whether the fault acts in this step."""
        kind = self.case.kind
        return (
            self.step == self.case.strike
            if kind in ONCE
            else kind != "none" and self.step >= self.case.strike
        )

    def loss(self) -> Tensor:
        """Forward and loss of this step's batch."""
        inputs, targets = self.batch()
        with torch.autocast(inputs.device.type, self._dtype(), enabled=self._dtype() is not None):
            logits = self.model(inputs, mask=self._mask(inputs)).float()  # [B, T, V]
        return self._mean_loss(logits, targets)

    def advance(self, *, watched: bool = False) -> tuple[float, float, list[Seen]]:
        """One whole step: loss, gradient norm, and what the watch has seen."""
        self._remember()
        self._strike()
        watch = TensorWatch(self.model)
        with watch if watched else contextlib.nullcontext():
            loss = self.loss()
            watch.note("forward", "loss", "output", loss)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        limit = self._clip_norm()
        norm = _norm(gradients) if limit is None else clip_gradients(gradients, limit)
        self._update(gradients, norm)
        self.step += 1
        return float(loss.detach()), float(norm), watch.read() if watched else []

    def damaged(self) -> list[str]:
        """Weights and moments that are not finite now."""
        return nonfinite_state(self.model, [self.optimizer])

    # --- the faults ---

    def _plant_hooks(self) -> None:
        kind = self.case.kind
        if kind == "inf_in_up_proj":
            self.block.mlp.up_proj.register_forward_hook(self._one_infinity)
        elif kind == "root_of_zero":
            self.block.mlp.register_forward_hook(self._guarded_root)
        elif kind == "masked_row" and self.repair != "fused_attention":
            self.model.use_attention("eager")

    def _one_infinity(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        if not self.live:
            return None
        output = output.clone()
        output[0, 5, 7] = torch.inf
        return output

    def _guarded_root(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        """Adds the root of what is positive; the other roots are hidden by `where`, their gradient is not."""
        if not self.live:
            return None
        inside = output.clamp(min=1e-6) if self.repair == "safe_root" else output
        return output + 1e-3 * torch.where(output > 1e-6, inside.sqrt(), torch.zeros_like(output))

    @torch.no_grad()
    def _strike(self) -> None:
        """What the fault changes in weights, settings and memory, once."""
        if self.step != self.case.strike:
            return
        weight, kind = self.model.model.embed_tokens.weight, self.case.kind
        if kind == "bad_row":
            weight[self._absent()] = torch.nan
        elif kind == "no_eps":
            weight[PAD] = 0
            if self.repair != "eps":
                self.model.model.layers[0].input_layernorm.eps = 0.0  # further up no vector is zero
        elif kind == "fp16_overflow":
            self.block.mlp.gate_proj.weight *= WIDE
            self.block.mlp.up_proj.weight *= WIDE
        elif kind == "poisoned_adam":
            memory = self.optimizer.state[self.block.mlp.gate_proj.weight]
            memory["exp_avg" if "exp_avg" in memory else "momentum_buffer"][0, 0] = torch.nan
        elif kind == "high_rate":
            self.optimizer.param_groups[0]["lr"] = HIGH_RATE * (1e-3 if self.repair == "lower_rate" else 1)

    def _absent(self) -> int:
        """A token that the rows do not hold: the last one that they lack."""
        return max(set(range(self.model.config.vocab_size)) - set(self.rows.flatten().tolist()))

    def batch(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets [B, T] of this step."""
        shift = self.batch_size if self.live and self.repair == "drop_batch" else 0
        start = (self.step * self.batch_size + shift) % len(self.rows)
        rows = self.rows[start : start + self.batch_size]
        inputs, targets = rows[:, :-1], rows[:, 1:].clone()
        if shift or not self.live:
            return inputs, targets
        if self.case.kind == "empty_batch":
            targets[:] = IGNORE
        elif self.case.kind == "label_out_of_range":
            targets[0, 3] = self.model.config.vocab_size
        elif self.case.kind == "no_eps":
            inputs = inputs.clone()
            inputs[0, 2] = PAD  # a zero vector
        return inputs, targets

    def _mask(self, inputs: Tensor) -> Tensor | None:
        if not self.live or self.case.kind != "masked_row" or self.repair == "drop_batch":
            return None
        mask = torch.ones(inputs.shape[1], inputs.shape[1], dtype=torch.bool, device=inputs.device)
        mask[4] = False  # one query that may see nothing
        return mask

    def _mean_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        kind, live = self.case.kind, self.live and self.repair != "fused_loss"
        if kind == "log_of_softmax" and self.live:
            logits = logits * SHARP
        if kind == "log_of_softmax" and live:
            chosen = logits.softmax(-1).gather(-1, targets[..., None])  # [B, T, 1]
            return -chosen.log().mean()
        if kind == "mask_times_inf" and self.live and self.repair != "drop_batch":
            logits = logits.clone()
            logits[0, 0, targets[0, 0]] = -torch.inf  # a word that a filter forbids, where no loss is wanted
            targets = targets.clone()
            if live:
                each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
                wanted = torch.ones_like(each)
                wanted[0] = 0
                return (each * wanted).sum() / wanted.sum()
            targets[0, 0] = IGNORE
        total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
        count = (targets != IGNORE).sum()
        return total / (count.clamp(min=1) if self.repair == "denominator" else count)

    def _dtype(self) -> torch.dtype | None:
        name, overflow = self.recipe.number_format, self.case.kind == "fp16_overflow"
        if overflow and self.repair == "bf16":
            name = "bf16"
        elif name == "auto":
            name = "fp16" if overflow else "fp32"
        return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(name)

    # --- the repairs that are no part of a fault ---

    def _clip_norm(self) -> float | None:
        return 0.1 if self.repair == "clip" else self.recipe.clip

    def _remember(self) -> None:
        """Weights and moments of before the fault."""
        if self.step == self.case.strike and self.repair.startswith("reload"):
            state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
            self._saved = {name: _cloned(value) for name, value in state.items()}

    def _update(self, gradients: list[Tensor], norm: Tensor) -> None:
        if self.repair == "nan_to_num":
            for gradient in gradients:
                gradient.nan_to_num_(0.0, 0.0, 0.0)
        if self.repair == "guard" and not norm.isfinite():
            self.skipped += 1
            return
        self.optimizer.step()
        if self._saved and self.damaged():
            self._reload()

    def _reload(self) -> None:
        """Back to what was saved; the planted accident does not happen again, a planted cause does."""
        self.model.load_state_dict(self._saved["model"])
        if self.repair == "reload_all":
            self.optimizer.load_state_dict(_cloned(self._saved["optimizer"]))
        self.skipped += 1


ONCE = ("inf_in_up_proj", "empty_batch", "masked_row", "mask_times_inf", "label_out_of_range")
"""Faults of one batch or of one moment."""


def _optimizer(model: MiniMind, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95))
    momentum = 0.9 if recipe.optimizer == "momentum" else 0.0
    return torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=momentum)


def _norm(gradients: list[Tensor]) -> Tensor:
    return torch.nn.utils.get_total_norm(gradients)


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _cloned(item) for name, item in value.items()}
    return [_cloned(item) for item in value] if isinstance(value, list) else value
