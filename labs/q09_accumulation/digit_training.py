"""A small network at many learning rates at once, which share nothing but the batches. Imports torch."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

HIDDEN = 64
WIDTHS = (64, HIDDEN, HIDDEN, 10)
BETAS, EPS, DECAY = (0.9, 0.999), 1e-8, 0.01
"""torch's own for AdamW."""
MOMENTUM = 0.9


class RateSweep:
    """R copies of one network with two hidden layers; copy r trains with rates[r].

    `micro_batches` of an update are added up; `divide` by their number or not. The optimizers are those of
    torch, with a rate for each copy.
    """

    def __init__(self, rates: Tensor, optimizer: str, *, micro_batches: int, divide: bool, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weights: list[Tensor] = []
        for inputs, outputs in itertools.pairwise(WIDTHS):
            matrix = torch.randn(inputs, outputs, generator=generator) * (2 / inputs) ** 0.5
            self.weights += [
                values.repeat(len(rates), 1, 1).to(rates.device).requires_grad_()  # [R, in or 1, out]
                for values in (matrix, torch.zeros(1, outputs))
            ]
        self.rates, self.optimizer = rates[:, None, None], optimizer  # [R, 1, 1]
        self.micro_batches, self.divide = micro_batches, divide
        self.moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in self.weights]
        self.updates = 0

    def logits(self, x: Tensor) -> Tensor:
        """Of pixels [B, 64], by every copy: [R, B, 10]."""
        hidden = x.expand(self.rates.shape[0], *x.shape)
        for index in range(0, len(self.weights), 2):
            hidden = torch.baddbmm(self.weights[index + 1], hidden, self.weights[index])
            hidden = hidden.relu() if index + 2 < len(self.weights) else hidden
        return hidden

    def losses(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean loss of each copy on a batch [B, 64], [B] -> [R]."""
        logits = self.logits(x)
        loss = cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)), reduction="none")  # [R * B]
        return loss.view(len(logits), -1).mean(1)

    def update(self, x: Tensor, y: Tensor) -> Tensor:
        """One update on a batch, whose mean loss by copy [R] before it is given back."""
        total = torch.zeros_like(self.rates[:, 0, 0])
        for rows, labels in zip(x.chunk(self.micro_batches), y.chunk(self.micro_batches), strict=True):
            losses = self.losses(rows, labels)
            share = losses / self.micro_batches if self.divide else losses
            share.sum().backward()  # copies do not see one another; `backward` adds into .grad
            total += losses.detach() / self.micro_batches
        self.updates += 1
        with torch.no_grad():
            for weight, moments in zip(self.weights, self.moments, strict=True):
                assert weight.grad is not None
                self._step(weight, weight.grad, *moments)
                weight.grad = None
        return total

    def _step(self, weight: Tensor, gradient: Tensor, first: Tensor, second: Tensor) -> None:
        if self.optimizer == "sgd":
            weight -= self.rates * gradient
            return
        if self.optimizer == "momentum":
            first.mul_(MOMENTUM).add_(gradient)
            weight -= self.rates * first
            return
        first.lerp_(gradient, 1 - BETAS[0])
        second.lerp_(gradient**2, 1 - BETAS[1])
        mean, square = (
            moment / (1 - beta**self.updates) for moment, beta in zip((first, second), BETAS, strict=True)
        )
        weight *= 1 - self.rates * DECAY
        weight -= self.rates * mean / (square.sqrt() + EPS)

    @torch.no_grad()
    def alive(self, x: Tensor) -> Tensor:
        """Percent of the last hidden layer's ReLUs that are above zero, by copy [R]."""
        hidden = x.expand(self.rates.shape[0], *x.shape)
        for index in range(0, len(self.weights) - 2, 2):
            hidden = torch.baddbmm(self.weights[index + 1], hidden, self.weights[index]).relu()
        return 100 * (hidden > 0).float().mean((1, 2))

    @torch.no_grad()
    def accuracy(self, x: Tensor, y: Tensor) -> Tensor:
        """Percent of right answers by copy [R]; one that has diverged is right by chance."""
        return 100 * (self.logits(x).argmax(-1) == y).float().mean(1)
