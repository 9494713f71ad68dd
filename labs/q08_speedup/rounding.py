"""Weights rounded to nearest in a few bits: one scale a row or a group, nothing calibrated. Imports torch.

The model keeps computing in its own dtype with the rounded numbers, so quality is measured and not speed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.model.minimind import MiniMind

SCALE_BYTES = 2


def rounded(weight: Tensor, bits: int, group: int) -> Tensor:
    """weight [out, in] with every group of `group` inputs (0: a whole row) on 2^bits - 1 levels around zero.

    A step is the group's largest size over 2^(bits - 1) - 1, so nothing moves by more than half of one.
    A row that is not of whole groups is one group.

    >>> rounded(torch.tensor([[3.0, -1.4]]), bits=3, group=0)
    tensor([[ 3., -1.]])
    """
    out, width = weight.shape
    groups = weight.float().reshape(out, -1, group_size(width, group))  # [out, G, group]
    step = groups.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    step = step.masked_fill(step == 0, 1.0)
    return ((groups / step).round() * step).view(out, width).to(weight.dtype)


def group_size(width: int, group: int) -> int:
    """Numbers that share a scale in a row of that width."""
    return group if group and width % group == 0 else width


def matrices(model: MiniMind, embedding: bool = True) -> Iterator[tuple[str, nn.Parameter]]:
    """All matrices by name; an embedding that is the head as well comes once, or not at all if so asked."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and (embedding or parameter is not model.model.embed_tokens.weight):
            yield name, parameter


@torch.no_grad()
def round_weights(
    model: MiniMind, bits: int, group: int, embedding: bool = True
) -> tuple[MiniMind, dict[str, float]]:
    """A copy with every matrix rounded, and by matrix the error's size over that of the weights."""
    twin, errors = copy.deepcopy(model), {}
    for name, parameter in matrices(twin, embedding):
        new = rounded(parameter, bits, group)
        errors[name] = float((new - parameter).norm() / parameter.norm())
        parameter.copy_(new)
    return twin, errors


def payload_bytes(model: MiniMind, bits: int, group: int, embedding: bool = True) -> dict[str, float]:
    """Bytes of the rounded matrices and of their scales; all else stays in two bytes a number."""
    numbers = sum(parameter.numel() for parameter in model.parameters())
    in_matrices = sum(parameter.numel() for _, parameter in matrices(model, embedding))
    scales = sum(p.numel() // group_size(p.shape[1], group) for _, p in matrices(model, embedding))
    return {
        "weights": in_matrices * bits / 8 + SCALE_BYTES * (numbers - in_matrices),
        "scales": float(SCALE_BYTES * scales),
    }


@torch.inference_mode()
def read(model: MiniMind, rows: Tensor, on_progress: Callable[[float], None]) -> list[Tensor]:
    """Log-probabilities of the next token after each of rows int64 [N, T], fp32 [T, V] a row."""
    found = []
    for number, row in enumerate(rows):
        on_progress(number / len(rows))
        found.append(F.log_softmax(model(row[None])[0].float(), -1))
    return found


@torch.inference_mode()
def loss_and_divergence(guesses: list[Tensor], truths: list[Tensor], targets: Tensor) -> tuple[float, float]:
    """Nats a token: the mean loss on targets [N, T], and the mean KL of each guess from its truth."""
    losses = [-guess.gather(-1, row[:, None]).mean() for guess, row in zip(guesses, targets, strict=True)]
    moved = [
        (truth.exp() * (truth - guess)).sum(-1).mean() for truth, guess in zip(truths, guesses, strict=True)
    ]
    return float(torch.stack(losses).mean()), float(torch.stack(moved).mean())
