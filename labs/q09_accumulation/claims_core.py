"""The claims of Question 9 about torch's own settings, schedules, experts and checkpoints. Imports torch."""

from __future__ import annotations

import inspect
import math

import torch

from labs.claims.checks import Check, Finding
from labs.q09_accumulation.checkpointing import SAID_RATIO, time_ratio
from labs.q09_accumulation.logistic import given
from labs.q09_accumulation.recomputed import every_nth, in_groups
from labs.q09_accumulation.router import balance, fresh_router
from labs.q09_accumulation.window_gradients import same_bits
from labs.tools.gradients import copies, gradients, mean_loss, random_rows
from labs.tools.models import TINY, untrained
from minimind_core.model.config import ModelConfig


def initial_scale() -> int:
    """What a GradScaler multiplies the loss by at the start, if nobody says otherwise."""
    return int(inspect.signature(torch.amp.GradScaler).parameters["init_scale"].default)


def warmup_by_micro_batch() -> int:
    """The first update at the peak, where torch's own warm-up steps after every micro-batch."""
    steps, warmup = int(given("steps")), int(given("warmup"))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1)
    update = 0
    while True:
        update += 1
        for place in range(steps):
            optimizer.step()  # without a gradient it changes nothing
            if place == steps - 1 and math.isclose(scheduler.get_last_lr()[0], 1.0):
                return update
            scheduler.step()


def published_schedule() -> dict[str, float]:
    """MiniMind's multiplier of the rate at the start and at the end."""

    def rate(share: float) -> float:
        return 1 / 10 + 0.5 * (1 + math.cos(math.pi * share))

    return {"start": rate(0.0), "end": rate(1.0)}


def recomputed() -> Finding:
    """Bits of the gradient with layers computed again, one by one and in groups; the operations' ratio."""
    model = untrained(TINY, "cpu")
    rows, layers = random_rows(model, 2, 16), list(model.model.layers)
    mean_loss(model, rows, None).backward()
    true, equal = copies(gradients(model)), []
    for arranged in (every_nth(layers, 1), every_nth(layers, 2), in_groups(layers, 2)):
        model.zero_grad()
        model.model.layers = arranged
        mean_loss(model, rows, None).backward()
        equal.append(same_bits(gradients(model), true))
    ratio = time_ratio(ModelConfig(), 512, "every", 1)
    return Finding(all(equal) and 1 < ratio < SAID_RATIO, {"equal": equal, "operations": ratio})


def global_shares() -> Finding:
    """Relative errors of the router's gradient: own shares, and those of the whole batch."""
    random = torch.Generator().manual_seed(0)
    states = torch.randn(8, 32, 16, generator=random, dtype=torch.float64)
    states += torch.randn(
        8, 1, 16, generator=random, dtype=torch.float64
    )  # micro-batches differ, as texts do
    weights = fresh_router(states, 4, 0)
    whole = balance(states.flatten(0, 1)[None], weights, 1)
    own = balance(states, weights, 1)
    shared = balance(states, weights, 1, shares=whole.shares.expand_as(own.shares))
    errors = [
        float((found.gradient - whole.gradient).norm() / whole.gradient.norm()) for found in (own, shared)
    ]
    exact = errors[1] < 1e-12 and abs(shared.loss - whole.loss) < 1e-12
    return Finding(errors[0] > 0.01 and exact, errors)


CHECKS: dict[str, Check] = {
    "Q9-C20": initial_scale,
    "Q9-C26": warmup_by_micro_batch,
    "Q9-C27": published_schedule,
    "Q9-C29": recomputed,
    "Q9-C30": global_shares,
}
