"""The real torch.amp.GradScaler on one weight, step by step, on the CPU: its decisions need no GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler

from labs.q10_grad_scaler.formats import LARGEST_FP16
from labs.q10_grad_scaler.params import ScalerParams
from labs.q10_grad_scaler.steps_text import read_steps

Trace = list[dict[str, Any]]


def traced(scaler: GradScaler, gradients: Iterable[float], told: Callable[[int], None]) -> Trace:
    """One optimizer step for each true gradient, which passes through FP16 on its way to the weight.

    Each entry has "applied", whether the optimizer ran, "scale" and "tracker" after `update()`, and
    "spoilt", whether the weight is NaN. A weight whose step was skipped is the same bit for bit. Once the
    scale is zero, 1 / scale is Inf: the check sees a finite 0, and 0 * Inf is applied.
    """
    weight, ran = nn.Parameter(torch.zeros(1)), [False]
    optimizer = torch.optim.SGD([weight], lr=1.0)
    optimizer.register_step_post_hook(lambda *_: ran.__setitem__(0, True))
    trace = []
    for step, gradient in enumerate(gradients):
        told(step)
        optimizer.zero_grad()
        before, ran[0] = weight.detach().clone(), False
        loss = weight.half().float() * gradient  # backward: gradient * scale is rounded to FP16
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert ran[0] or torch.equal(before.view(torch.int32), weight.detach().view(torch.int32))
        trace.append(
            {
                "applied": ran[0],
                "scale": scaler.get_scale(),
                "tracker": scaler._get_growth_tracker(),
                "spoilt": bool(weight.isnan()),
            }
        )
    return trace


def gradients_of(params: ScalerParams) -> list[float]:
    """The true gradient of every step: one that fits up to the asked scale, Inf at the steps named."""
    usual, named = LARGEST_FP16 / 2.0**params.fits_exponent, read_steps(params.overflows)
    return [float("inf") if step in named else usual for step in range(1, params.steps + 1)]


def new_scaler(params: ScalerParams) -> GradScaler:
    """As the settings say."""
    return GradScaler(
        "cpu",
        init_scale=params.init_scale,
        growth_factor=params.growth_factor,
        backoff_factor=params.backoff_factor,
        growth_interval=params.growth_interval,
    )
