"""Muon (Jordan et al. 2024): momentum whose singular values are all pushed to about one.

torch.optim.Muon handles one matrix after the other and always in bf16. Here matrices of one shape are
orthogonalised together, in fp32 where bf16 is emulated, because the 26M model has 56 small ones in four
shapes. A test compares the updates of both. Matrices only.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Quintic whose iteration drives singular values in (0, 1] to about 1, steepest at 0."""
ITERATIONS = 5
ADAMW_RMS = 0.2
"""Typical root mean square of an AdamW update, which ours is scaled to (Liu et al. 2025)."""


class Muon(torch.optim.Optimizer):
    """Decoupled weight decay, Nesterov momentum, orthogonalised update."""

    found_inf: Tensor | None = None
    """A scalar that is not 0 makes a step change nothing, without asking the host, as in fused AdamW."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.1, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        assert all(p.dim() == 2 for group in self.param_groups for p in group["params"]), (
            "Muon is for matrices"
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            ready = sorted((p for p in group["params"] if p.grad is not None), key=_shape)
            for _, same_shape in groupby(ready, key=_shape):
                self._update(list(same_shape), group["lr"], group["weight_decay"], group["momentum"])

    def _update(
        self, parameters: list[nn.Parameter], lr: float, weight_decay: float, momentum: float
    ) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        for parameter in parameters:
            if "momentum" not in self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        buffers = [self.state[p]["momentum"] for p in parameters]
        decay: float | Tensor = lr * weight_decay
        if self.found_inf is not None:  # then the momentum goes towards itself
            decay = decay * (1 - self.found_inf)
            pairs = zip(buffers, gradients, strict=True)
            gradients = [torch.where(self.found_inf > 0, buffer, gradient) for buffer, gradient in pairs]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        updates = orthogonalize(torch.stack(torch._foreach_lerp(gradients, buffers, momentum)))  # [n, A, B]
        if self.found_inf is not None:
            updates *= 1 - self.found_inf
        size = max(parameters[0].shape)
        torch._foreach_mul_(parameters, 1 - decay)
        torch._foreach_add_(parameters, list(updates.unbind(0)), alpha=-lr * ADAMW_RMS * size**0.5)


def _shape(parameter: Tensor) -> tuple[int, ...]:
    return tuple(parameter.shape)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Nearest matrices with singular values of about one, by Newton-Schulz: [n, A, B] -> same, fp32."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x  # the Gram matrix of the shorter side is the smaller one
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT  # [n, A, A]
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()
