"""One gradient of a model in FP32, BF16 and FP16, the last at many factors on the loss.

The factor is 2^k / N, a loss scale over the tokens of a mean: only their quotient matters, so one
exponent e = k - log2(N) stands for both, and each e is a backward pass of its own over one forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labs.q10_grad_scaler.gradients import (
    Watched,
    counts,
    dtype_of,
    group_of,
    histogram,
    logits_loss,
    watching,
)
from minimind_core.model.minimind import MiniMind

EXPONENTS = range(-20, 21)
OFFSET = -14
"""Log2 of the factor of scale 1 at the default 2^14 tokens, which every grid contains."""
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
Told = Callable[[], None]


def grid(every: int) -> list[int]:
    """Exponents to measure, `every` apart.

    >>> grid(4)
    [-18, -14, -10, -6, -2, 2, 6, 10, 14, 18]
    """
    return [exponent for exponent in EXPONENTS if (exponent - OFFSET) % every == 0]


def full_precision(model: MiniMind, rows: Tensor) -> dict[str, Any]:
    """Histograms of the FP32 gradients of the summed loss by place, the loss of a token and the dtypes."""
    with watching(model, histogram) as watched:
        loss = logits_loss(model, rows, None, watched, histogram)
        loss.backward()
    places = {
        name: {"group": group_of(name), "histogram": watched.seen[name][0], "zeros": watched.seen[name][1]}
        for name in watched.names
    }
    return {"places": places, "loss": loss.item() / targets_in(rows), "dtypes": _dtypes(model, watched)}


def half_precision(
    model: MiniMind, rows: Tensor, name: str, exponents: Sequence[int], told: Callable[[float], None]
) -> dict[str, Any]:
    """Counts by group [exponents, kinds] of one forward and a backward pass for each exponent.

    "nonfinite_gradients" are elements of the FP32 `.grad` that are Inf or NaN, which is all that the
    scaler looks at; "hooks_finite" says whether a backward hook saw any.
    """
    groups: dict[str, list[np.ndarray]] = {}
    bad_gradients: list[int] = []
    with watching(model, counts) as watched:
        loss = logits_loss(model, rows, HALF[name], watched, counts)
        for place, exponent in enumerate(exponents):
            told(place / len(exponents))
            model.zero_grad(set_to_none=True)
            (loss * 2.0**exponent).backward(retain_graph=True)
            for group, numbers in _by_group(watched).items():
                groups.setdefault(group, []).append(numbers)
            bad_gradients.append(nonfinite_gradients(model))
    stacked = {group: np.stack(each).astype(np.int32) for group, each in groups.items()}
    return {
        "exponents": list(exponents),
        "counts": stacked,
        "nonfinite_gradients": bad_gradients,
        "hooks_finite": [int(row[-1]) == 0 for row in stacked["all"]],
        "loss": loss.item() / targets_in(rows),
        "dtypes": _dtypes(model, watched),
    }


def swallowed(dtype: torch.dtype) -> float:
    """The largest power of two that 1 absorbs in that dtype: an update of this size changes nothing.

    >>> swallowed(torch.bfloat16)
    0.00390625
    """
    one = torch.ones((), dtype=dtype)
    return next(2.0**-power for power in range(1, 60) if one + 2.0**-power == one)


def nonfinite_gradients(model: MiniMind) -> int:
    """Elements of all `.grad` that are Inf or NaN."""
    return sum(int((~p.grad.isfinite()).sum()) for p in model.parameters() if p.grad is not None)


def targets_in(rows: Tensor) -> int:
    """Predicted tokens of rows [B, T + 1]."""
    return rows.shape[0] * (rows.shape[1] - 1)


def _by_group(watched: Watched) -> dict[str, np.ndarray]:
    sums: dict[str, np.ndarray] = {}
    for name in watched.names:
        for group in ("all", group_of(name)):
            sums[group] = sums.get(group, 0) + np.array(watched.seen[name])  # [kinds]
    return sums


def _dtypes(model: MiniMind, watched: Watched) -> dict[str, str]:
    gradient = next(p.grad for p in model.parameters() if p.grad is not None)
    return {**watched.dtypes, "parameter_grad": dtype_of(gradient)}
