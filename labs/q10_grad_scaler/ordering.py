"""One optimizer step with gradient accumulation, in the right order of calls and in wrong ones, for real.

Each way is written out as one would write it, on a copy of the same model and the same micro-batches;
what is compared is the gradient that the optimizer was handed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_

from labs.q10_grad_scaler.gradients import logits_loss
from labs.q10_grad_scaler.passes import targets_in
from labs.q10_grad_scaler.specimens import copied
from minimind_core.model.minimind import MiniMind


@dataclass
class Step:
    """One optimizer step about to happen, and what the optimizer was handed."""

    model: MiniMind
    micro_batches: Sequence[Tensor]
    clip: float
    scaler: GradScaler
    handed: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.optimizer.register_step_pre_hook(lambda *_: self.handed.extend(gradients(self.model)))

    def scaled_backward(self, rows: Tensor) -> None:
        """One micro-batch counts its share of the mean."""
        loss = logits_loss(self.model, rows, torch.float16) / targets_in(rows)
        self.scaler.scale(loss / len(self.micro_batches)).backward()

    def clip_gradients(self) -> None:
        """To the norm that was asked for."""
        clip_grad_norm_(self.model.parameters(), self.clip)


def correct(step: Step) -> None:
    """Scale and backward for each micro-batch; then once unscale, clip, step, update."""
    for rows in step.micro_batches:
        step.scaled_backward(rows)
    step.scaler.unscale_(step.optimizer)
    step.clip_gradients()
    step.scaler.step(step.optimizer)
    step.scaler.update()


def clip_first(step: Step) -> None:
    """Clips what is still scaled."""
    for rows in step.micro_batches:
        step.scaled_backward(rows)
    step.clip_gradients()
    step.scaler.unscale_(step.optimizer)
    step.scaler.step(step.optimizer)
    step.scaler.update()


def no_unscale(step: Step) -> None:
    """Runs the optimizer itself on gradients that nobody unscaled."""
    for rows in step.micro_batches:
        step.scaled_backward(rows)
    step.optimizer.step()
    step.scaler.update()


def unscale_each(step: Step) -> None:
    """Unscales after every micro-batch."""
    for rows in step.micro_batches:
        step.scaled_backward(rows)
        step.scaler.unscale_(step.optimizer)
    step.clip_gradients()
    step.scaler.step(step.optimizer)
    step.scaler.update()


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


ORDERS: dict[str, Callable[[Step], None]] = {
    "correct": correct,
    "clip_first": clip_first,
    "no_unscale": no_unscale,
    "unscale_each": unscale_each,
    "update_each": update_each,
    "fp16_parameters": fp16_parameters,
}


def tried(
    name: str,
    model: MiniMind,
    micro_batches: Sequence[Tensor],
    scale: float,
    clip: float,
    true: Sequence[Tensor],
) -> dict[str, Any]:
    """What became of one step in the order `name`.

    "norm" of the gradient that the optimizer was handed, its "relative_error" against `true` (None where
    it never ran), and the library's own "error".
    """
    step = Step(copied(model), micro_batches, clip, GradScaler(_device(model), init_scale=scale))
    error = ""
    try:
        ORDERS[name](step)
    except (AssertionError, RuntimeError, ValueError) as raised:  # torch asserts in `update`
        error = f"{type(raised).__name__}: {raised}"
    if not step.handed:
        return {"norm": None, "relative_error": None, "ran": False, "error": error}
    return {
        "norm": norm(step.handed),
        "relative_error": relative_error(step.handed, true),
        "ran": True,
        "error": error,
    }


def true_gradient(
    model: MiniMind, micro_batches: Sequence[Tensor], clip: float
) -> tuple[list[Tensor], float]:
    """The FP32 gradient of all micro-batches as one batch after clipping, and its norm before."""
    copy, rows = copied(model), torch.cat(list(micro_batches))
    (logits_loss(copy, rows, None) / targets_in(rows)).backward()
    before = float(clip_grad_norm_(copy.parameters(), clip))
    return gradients(copy), before


def scaling_is_exact(model: MiniMind, rows: Tensor, scale: float) -> bool:
    """Whether the FP32 gradient of the scaled loss over the scale equals the plain one bit for bit."""
    plain, scaled = (copied(model).use_attention("eager") for _ in range(2))  # fused ones add in any order
    logits_loss(plain, rows, None).backward()
    (logits_loss(scaled, rows, None) * scale).backward()
    return all(
        torch.equal(one, other / scale)
        for one, other in zip(gradients(plain), gradients(scaled), strict=True)
    )


def gradients(model: MiniMind) -> list[Tensor]:
    """Copies of all gradients, in FP32."""
    return [p.grad.detach().float().clone() for p in model.parameters() if p.grad is not None]


def norm(tensors: Sequence[Tensor]) -> float:
    """Of all of them as one vector."""
    return float(torch.stack([tensor.norm() for tensor in tensors]).norm())


def relative_error(found: Sequence[Tensor], true: Sequence[Tensor]) -> float:
    """|found - true| / |true| of the whole vectors."""
    return norm([one - other for one, other in zip(found, true, strict=True)]) / norm(true)


def _device(model: MiniMind) -> str:
    return model.model.embed_tokens.weight.device.type
