"""The claims of Question 2 about gradients, optimizers and loaders, run for real. Imports torch.

Our model takes one step; whatever does not depend on its size is seen on a small one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import default_collate

from labs.claims.checks import Check
from labs.q02_empty_text.claims import given
from labs.q02_empty_text.losses import Loss, clamped, ignore_index, masked_mean
from labs.tools.models import TINY
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.minimind import MiniMind

LEARNING_RATE = 5e-4


@dataclass
class Step:
    """One AdamW step on a batch without targets, and what it left behind."""

    model: MiniMind
    optimizer: torch.optim.Optimizer
    loss: float
    gradients: list[Tensor | None]

    def nan_gradients(self) -> int:
        return sum(int(gradient.isnan().sum()) for gradient in self.gradients if gradient is not None)

    def nan_weights(self) -> int:
        return sum(int(weight.isnan().sum()) for weight in self.model.parameters())


def empty_step(config: ModelConfig, loss_of: Loss, clip: bool = False) -> Step:
    """Forward, backward and AdamW of a fresh model on two rows of padding."""
    torch.manual_seed(0)
    model = MiniMind(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    ids = torch.full((2, 4), config.pad_id)
    targets = ids[:, 1:].flatten()
    loss = loss_of(model(ids[:, :-1]).flatten(0, 1), targets, torch.zeros(len(targets)))
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    gradients = [None if weight.grad is None else weight.grad.clone() for weight in model.parameters()]
    optimizer.step()
    return Step(model, optimizer, float(loss.detach()), gradients)


def our_model() -> dict[str, int]:
    """NaNs in our 26M after the step of the question."""
    step = empty_step(ModelConfig(), masked_mean)
    return {"gradients": step.nan_gradients(), "weights": step.nan_weights()}


def ignored_rows() -> dict[str, Any]:
    """The same on a small model with cross_entropy's own mask."""
    step = empty_step(TINY, ignore_index)
    others = sum(int((gradient != 0).sum()) for gradient in step.gradients if gradient is not None)
    return {
        "loss": _kind(step.loss),
        "nan_gradients": step.nan_gradients(),
        "other_gradients": others,
        "nan_weights": step.nan_weights(),
    }


def untied() -> dict[str, int]:
    """What an untied head spares: the looked-up rows are counted on a small model, the rest is our size."""
    small = TINY.replace(tie_word_embeddings=False)
    plain, clipped = empty_step(small, masked_mean), empty_step(small, masked_mean, clip=True)
    ours = ModelConfig(tie_word_embeddings=False)
    spared = {
        name: (num_parameters(small) - step.nan_weights()) // small.hidden_size
        for name, step in (("unclipped", plain), ("clipped", clipped))
    }
    assert spared["unclipped"] == small.vocab_size - 1, spared
    rows = {"unclipped": ours.vocab_size - 1, "clipped": spared["clipped"]}
    return {
        **{name: num_parameters(ours) - count * ours.hidden_size for name, count in rows.items()},
        "parameters": num_parameters(ours),
    }


def optimizer_goes_on() -> dict[str, str]:
    """Whether the step raises, what is in AdamW's moments, and the loss of a good batch after it."""
    try:
        step, exception = empty_step(TINY, masked_mean), "none"
    except Exception as error:
        return {"exception": type(error).__name__, "moments": "", "next_loss": ""}
    states = step.optimizer.state.values()
    moments = all(bool(state[name].isnan().all()) for state in states for name in ("exp_avg", "exp_avg_sq"))
    good = torch.randint(3, TINY.vocab_size, (2, 9), generator=torch.Generator().manual_seed(1))
    loss = F.cross_entropy(step.model(good[:, :-1]).flatten(0, 1), good[:, 1:].flatten())
    return {
        "exception": exception,
        "moments": "nan" if moments else "numbers",
        "next_loss": _kind(float(loss.detach())),
    }


def gradient_scaler() -> dict[str, Any]:
    """A NaN loss through torch's scaler, and through one that is switched off as for BF16."""
    seen: dict[str, Any] = {}
    for name, enabled in (("with_scaler", True), ("without", False)):
        layer = nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(layer.parameters())
        scaler = torch.amp.GradScaler("cpu", enabled=enabled)
        before = scaler.get_scale()
        scaler.scale(layer(torch.ones(1, 3)).sum() * math.nan).backward()
        scaler.step(optimizer)
        scaler.update()
        if enabled:
            seen |= {"scale_before": int(before), "scale_after": int(scaler.get_scale())}
        nan = sum(int(weight.isnan().sum()) for weight in layer.parameters())
        everything = sum(weight.numel() for weight in layer.parameters())
        seen[f"nan_weights_{name}"] = "all" if nan == everything else nan
    return seen


def collate_none() -> dict[str, str]:
    """What the default collate makes of a None in the first place and in a later one."""
    row = torch.ones(2)
    return {
        "first": _raised(lambda: default_collate([None, row])),
        "later": _raised(lambda: default_collate([row, None])),
    }


def disconnected_zero() -> dict[str, str]:
    """Gradients after the backward pass of a new zero, and what a scaler's step says to it.

    The scaler is asked twice: after the zero alone, and after an ordinary micro-batch and then the zero.
    """

    def new_zero(*_: Tensor) -> Tensor:
        return torch.zeros((), requires_grad=True)

    step = empty_step(TINY, new_zero)
    without = all(gradient is None for gradient in step.gradients)
    return {
        "parameters_without_gradient": "all" if without else "some",
        "scaler": _scaler_says(new_zero()),
        "scaler_after_an_ordinary_one": _scaler_says(new_zero(), ordinary_first=True),
    }


def _scaler_says(zero: Tensor, ordinary_first: bool = False) -> str:
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    scaler = torch.amp.GradScaler("cpu")
    if ordinary_first:
        scaler.scale(layer(torch.ones(1, 3)).sum()).backward()
    scaler.scale(zero).backward()
    return _raised(lambda: scaler.step(optimizer))


def clamp_guard() -> dict[str, Any]:
    """The clamped loss and its gradients on an empty batch, and its gradient on a batch with targets."""
    step = empty_step(TINY, clamped)
    zeros = all(gradient is not None and not gradient.any() for gradient in step.gradients)
    random = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(6, 9, generator=random), torch.randint(9, (6,), generator=random)
    mask = torch.tensor([1.0, 0, 1, 1, 0, 1])
    one, other = (_gradient(logits, targets, mask, loss) for loss in (clamped, ignore_index))
    return {
        "loss": int(step.loss) if step.loss == 0 else step.loss,
        "gradients": "zeros" if zeros else "other",
        "same_as_ignore_index": bool(torch.allclose(one, other, atol=1e-6)),
    }


def accumulation() -> dict[str, str]:
    """Gradients of a small layer after several micro-batches, one of them empty."""
    random = torch.Generator().manual_seed(0)
    layer = nn.Linear(5, 7)
    for micro_batch in range(given("micro_batches")):
        logits = layer(torch.randn(3, 5, generator=random))
        mask = torch.zeros(3) if micro_batch == 2 else torch.ones(3)
        masked_mean(logits, torch.randint(7, (3,), generator=random), mask).backward()
    spoilt = all(weight.grad is not None and bool(weight.grad.isnan().all()) for weight in layer.parameters())
    return {"nan_gradients": "all" if spoilt else "some"}


def zero_or_none() -> dict[str, str]:
    """Do weights move in an AdamW step with zero gradients, and in one with none, after ordinary steps?"""
    layer = nn.Linear(4, 4)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)
    for _ in range(5):
        optimizer.zero_grad()
        layer(torch.ones(1, 4)).square().sum().backward()
        optimizer.step()
    seen = {}
    for name, to_none in (("none", True), ("zeros", False)):
        layer(torch.ones(1, 4)).sum().backward()
        optimizer.zero_grad(set_to_none=to_none)
        before = layer.weight.detach().clone()
        optimizer.step()
        seen[name] = "unmoved" if torch.equal(before, layer.weight) else "moved"
    return seen


def anomaly() -> dict[str, str]:
    """What anomaly mode says about the loss of the question."""
    with torch.autograd.detect_anomaly():
        try:
            _gradient(torch.randn(4, 7), torch.zeros(4, dtype=torch.int64), torch.zeros(4), masked_mean)
        except RuntimeError as error:
            return {"error": type(error).__name__, "names": str(error).split("'")[1]}
    return {"error": "none", "names": ""}


def infinite_logit() -> dict[str, str]:
    """A masked position with an infinite logit: multiplied, ignored, and left out before the loss."""
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    logits[0, 1] = math.inf
    targets, mask = torch.tensor([0, 1, 2]), torch.tensor([0.0, 1, 1])

    def indexed(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return F.cross_entropy(logits[mask > 0], targets[mask > 0])

    return {
        "multiplied_loss": _kind(float(masked_mean(logits, targets, mask))),
        "ignored_loss": _kind(float(ignore_index(logits, targets, mask))),
        "ignored_gradient": _kind(float(_gradient(logits, targets, mask, ignore_index).sum())),
        "indexed_gradient": _kind(float(_gradient(logits, targets, mask, indexed).sum())),
    }


def _gradient(logits: Tensor, targets: Tensor, mask: Tensor, loss_of: Loss) -> Tensor:
    leaf = logits.clone().requires_grad_()
    loss_of(leaf, targets, mask).backward()
    assert leaf.grad is not None
    return leaf.grad


def _kind(number: float) -> str:
    return "finite" if math.isfinite(number) else "nan"


def _raised(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "nothing"


CHECKS: dict[str, Check] = {
    "Q2-C3": our_model,
    "Q2-C4": ignored_rows,
    "Q2-C5": untied,
    "Q2-C6": optimizer_goes_on,
    "Q2-C7": gradient_scaler,
    "Q2-C9": collate_none,
    "Q2-C10": disconnected_zero,
    "Q2-C12": clamp_guard,
    "Q2-C14": accumulation,
    "Q2-C15": zero_or_none,
    "Q2-C18": anomaly,
    "Q2-C19": infinite_logit,
}
