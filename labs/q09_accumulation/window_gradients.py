"""The gradients of a window of micro-batches: one by one, as one big batch, and added up by each recipe.

Backward is linear, so that one pass a micro-batch serves all recipes: the gradient of c times a loss is c
times its gradient. Imports torch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from labs.contract import OnProgress
from labs.tools.gradients import norm
from labs.tools.models import before_each_layer, hooked
from minimind_core.model.minimind import MiniMind

LEARNING_RATE = 5e-4
UPDATED = ("loss", "end", "rate", "none", "tokens")
"""Recipes whose update is made."""
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adamw": torch.optim.AdamW,
}
"""With torch's own settings, as upstream MiniMind has them: AdamW decays weights by 0.01."""


def token_losses(model: MiniMind, rows: Tensor) -> Tensor:
    """Nats of every token of rows int64 [B, T + 1] -> [B, T], with their graph."""
    logits = model(rows[:, :-1])  # [B, T, V]
    losses = cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
    return losses.view(len(rows), -1)


def micro_gradient(model: MiniMind, row: Tensor, count: int) -> tuple[Tensor, list[Tensor], float]:
    """Of the first `count` targets of a row [T + 1]: their losses [count], the gradient of the losses' *sum*,
    and what one token weighs in the losses' mean, as autograd has it."""
    losses = token_losses(model, row[None, : count + 1])[0]
    weights = torch.autograd.grad(losses.mean(), losses, retain_graph=True)[0]
    gradient = torch.autograd.grad(losses.sum(), list(model.parameters()))
    return losses.detach(), list(gradient), float(weights.mean())


def big_batch_gradient(model: MiniMind, rows: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """The reference: one pass over padded rows [A, T + 1], the mean over all valid tokens."""
    longest = max(counts)
    places = torch.arange(longest, device=rows.device)
    mask = places < torch.tensor(counts, device=rows.device)[:, None]  # [A, T]
    losses = token_losses(model, rows[:, : longest + 1])
    return list(torch.autograd.grad(losses[mask].mean(), list(model.parameters())))


class Accumulator:
    """`.grad` of one window by each recipe; a micro-batch without tokens makes a mean NaN, as 0 / 0 does.

    `loss` adds the gradients of loss / A, `none` those of the loss, `tokens` those of sum / all tokens, and
    `bf16` the same into a BF16 `.grad`.
    """

    def __init__(self, model: MiniMind, counts: Sequence[int]) -> None:
        self.steps, self.total = len(counts), sum(counts)
        self.sums = {
            name: [torch.zeros_like(parameter) for parameter in model.parameters()]
            for name in ("loss", "none", "tokens")
        }
        self.sums["bf16"] = [tensor.bfloat16() for tensor in self.sums["tokens"]]

    @torch.no_grad()
    def add(self, gradient: Sequence[Tensor], count: int) -> None:
        """The gradient of one micro-batch's summed loss over `count` tokens."""
        for index, summed in enumerate(gradient):
            mean = summed / count
            self.sums["none"][index] += mean
            self.sums["loss"][index] += mean / self.steps
            self.sums["tokens"][index] += summed / self.total
            self.sums["bf16"][index] += (summed / self.total).bfloat16()

    @torch.no_grad()
    def add_empty(self) -> None:
        """A micro-batch without a valid token: its mean is 0 / 0, its sum nothing."""
        for name in ("none", "loss"):
            for tensor in self.sums[name]:
                tensor.fill_(torch.nan)

    def gradients(self) -> dict[str, list[Tensor]]:
        """By recipe; `end` divides the undivided sum once, `rate` hands it over as it is."""
        undivided = self.sums["none"]
        end = [tensor / self.steps for tensor in undivided]
        bf16 = [tensor.float() for tensor in self.sums["bf16"]]
        return {**self.sums, "bf16": bf16, "end": end, "rate": undivided}


def cosine(gradient: Sequence[Tensor], true: Sequence[Tensor]) -> float:
    """Between two gradients as whole vectors."""

    def dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
        return sum(float((a * b).sum(dtype=torch.float64)) for a, b in zip(one, other, strict=True))

    return dot(gradient, true) / (dot(gradient, gradient) * dot(true, true)) ** 0.5


def same_bits(gradient: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether every number is the same, bit by bit."""
    return all(torch.equal(a, b) for a, b in zip(gradient, other, strict=True))


def clip_factor(gradient_norm: float, clip: float | None) -> float:
    """What `clip_grad_norm_` multiplies a gradient of that norm by."""
    return 1.0 if clip is None else min(1.0, clip / (gradient_norm + 1e-6))


def first_update(
    model: MiniMind,
    gradient: Sequence[Tensor],
    optimizer: str,
    *,
    learning_rate: float,
    clip: float | None,
    check: Callable[[], None],
) -> float:
    """Norm of what the optimizer's first step adds to the weights. The model's own weights stay.

    Tensor by tensor, which a step of these optimizers is anyway, so that no second model is held.
    """
    factor, squares = clip_factor(norm(gradient), clip), 0.0
    for parameter, tensor in zip(model.parameters(), gradient, strict=True):
        check()
        weight = parameter.detach().clone().requires_grad_()
        weight.grad = tensor * factor
        OPTIMIZERS[optimizer]([weight], lr=learning_rate, fused=weight.device.type != "mps").step()
        squares += float((weight.detach() - parameter.detach()).norm()) ** 2
    return squares**0.5


def first_updates(
    model: MiniMind,
    by_recipe: Mapping[str, Sequence[Tensor]],
    steps: int,
    clips: Mapping[str, float | None],
    on_progress: OnProgress,
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Norms of `first_update` by optimizer, clip and recipe, None where the gradient is NaN.

    `rate` divides the learning rate by the steps. `end` runs only where its gradient is not that of `loss`.
    """
    end_is_equal = same_bits(by_recipe["end"], by_recipe["loss"])
    ways = [(optimizer, clip) for optimizer in OPTIMIZERS for clip in clips]
    found: dict[str, dict[str, dict[str, float | None]]] = {optimizer: {} for optimizer in OPTIMIZERS}
    for index, (optimizer, clip) in enumerate(ways):
        on_progress(index / len(ways))
        sizes = found[optimizer][clip] = {}
        for recipe in UPDATED:
            if recipe == "end" and end_is_equal:
                sizes["end"] = sizes["loss"]
                continue
            size = first_update(
                model,
                by_recipe[recipe],
                optimizer,
                learning_rate=LEARNING_RATE / (steps if recipe == "rate" else 1),
                clip=clips[clip],
                check=partial(on_progress, index / len(ways)),
            )
            sizes[recipe] = size if math.isfinite(size) else None
    return found


@contextlib.contextmanager
def heard_in_every_layer(model: MiniMind, check: Callable[[], None]) -> Iterator[None]:
    """While this is open, `check` runs before each layer, forward and backward."""
    backward = hooked(
        layer.register_full_backward_pre_hook(lambda *_: check()) for layer in model.model.layers
    )
    with before_each_layer(model, check), backward:
        yield
