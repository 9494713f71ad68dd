"""A top-k router and its load-balancing loss, with the gradient that autograd gives it. Imports torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Balance(NamedTuple):
    """Of A micro-batches, N experts: f [A, N], P [A, N], losses [A], their mean and its gradient [C, N]."""

    shares: Tensor
    means: Tensor
    losses: Tensor
    loss: float
    gradient: Tensor


def fresh_router(states: Tensor, experts: int, seed: int) -> Tensor:
    """Weights [C, N] whose logits have a standard deviation of 1 on hidden states [..., C]."""
    generator = torch.Generator().manual_seed(seed)
    size = states.shape[-1]
    weights = torch.randn(size, experts, generator=generator, dtype=states.dtype)
    return weights / states.pow(2).sum(-1).mean().sqrt()


def balance(states: Tensor, weights: Tensor, top: int, shares: Tensor | None = None) -> Balance:
    """N sum_i f_i P_i of each micro-batch of hidden states [A, T, C], averaged over them.

    A token counts 1 / top for each expert that it is routed to, so that a balanced router has a loss of 1.
    `shares` [A, N] are taken for f in place of the micro-batches' own.
    """
    weights = weights.clone().requires_grad_()
    probabilities = (states @ weights).softmax(-1)  # [A, T, N]
    chosen = probabilities.topk(top, dim=-1).indices  # [A, T, top]
    routed = torch.zeros_like(probabilities).scatter(-1, chosen, 1 / top)
    shares = routed.mean(1) if shares is None else shares  # [A, N], without a gradient
    means = probabilities.mean(1)  # [A, N]
    losses = weights.shape[1] * (shares * means).sum(-1)  # [A]
    gradient = torch.autograd.grad(losses.mean(), weights)[0]
    return Balance(shares.detach(), means.detach(), losses.detach(), float(losses.detach().mean()), gradient)
