"""The ways to read one text with a real model, each as the loss of every token. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labs.q04_long_text.options import disjoint_windows, plan_windows
from labs.tools.models import assembled, before_each_layer
from labs.tools.token_losses import token_losses
from minimind_core.model.config import RopeScaling, RopeScalingKind
from minimind_core.model.minimind import MiniMind

PART = 64
"""Tokens of a part that changes places: enough to see it, soon read."""

Losses = NDArray[np.float32]
Check = Callable[[], None]


def in_windows(model: MiniMind, row: Tensor, plan: list[tuple[int, int, int]], check: Check) -> Losses:
    """Losses [T] of row int64 [T + 1], each token scored by the first window that reads it."""
    losses = np.full(len(row) - 1, np.nan, np.float32)
    for start, end, first in plan:
        read = token_losses(model, row[None, start : end + 1], check)[0]  # [end - start]
        losses[first:end] = read[first - start :]
    return losses


def disjoint(model: MiniMind, row: Tensor, window: int, check: Check) -> Losses:
    """Losses [T] in windows side by side."""
    plan = [(start, end, start) for start, end in disjoint_windows(len(row) - 1, window)]
    return in_windows(model, row, plan, check)


def overlapping(model: MiniMind, row: Tensor, window: int, stride: int, check: Check) -> Losses:
    """Losses [T] in windows that overlap."""
    return in_windows(model, row, plan_windows(len(row) - 1, window, stride), check)


def tail(model: MiniMind, row: Tensor, window: int, check: Check) -> dict[str, float]:
    """Mean loss of a text's last tokens, half a window, by what the model reads before them.

    "alone": nothing; "after_head": the first half window, as head-and-tail truncation keeps it; "after_text":
    the half window that really precedes them. row int64 [T + 1], longer than a window.
    """
    half = window // 2
    kept = {
        "alone": row[-half:],
        "after_head": torch.cat([row[:half], row[-half:]]),
        "after_text": row[-2 * half :],
    }
    losses = {name: token_losses(model, ids[None], check)[0, -(half - 1) :] for name, ids in kept.items()}
    return {name: float(nats.mean(dtype=np.float64)) for name, nats in losses.items()}


def order_kept(model: MiniMind, row: Tensor, window: int, check: Check) -> dict[str, float]:
    """How far a text's mean vector moves, relative to its length, if four parts come in reverse order.

    "windows": each part is read alone and their vectors are averaged; "whole": all are read at once.
    row int64 [T + 1]; a part has at most PART tokens.
    """
    size = max(1, min(window, PART, (len(row) - 1) // 4))
    parts = row[: 4 * size].to(model.device).split(size)

    def vector(ids: Tensor) -> Tensor:
        return model.model(ids[None])[0].double().mean(0)  # [C]

    moved = {}
    with torch.inference_mode(), before_each_layer(model, check):
        for name, read in {
            "windows": lambda order: torch.stack([vector(part) for part in order]).mean(0),
            "whole": lambda order: vector(torch.cat(order)),
        }.items():
            ahead, back = read(list(parts)), read(list(reversed(parts)))
            moved[name] = float((back - ahead).norm() / ahead.norm())
    return moved


def local(model: MiniMind, row: Tensor, window: int, sinks: int, check: Check) -> Losses:
    """Losses [T] if a token looks at the `window` newest tokens, itself included, and the first `sinks`."""
    mask = local_mask(len(row) - 1, window, sinks, model.device)
    return token_losses(model, row[None], check, mask=mask)[0]


def local_mask(length: int, window: int, sinks: int, device: torch.device) -> Tensor:
    """bool [length, length], True = may look; the model adds causality."""
    places = torch.arange(length, device=device)
    return (places[:, None] - places < window) | (places < sinks)


def stretched(model: MiniMind, scaling: RopeScaling | None) -> MiniMind:
    """A model with the same tensors and rotary tables built anew for `scaling`."""
    return assembled(model.config.replace(rope_scaling=scaling), dict(model.state_dict()))


def scaling_for(kind: RopeScalingKind, factor: float, trained: int, temperature: bool = True) -> RopeScaling:
    """A stretch by `factor` over the trained length; without `temperature` YaRN leaves cos and sin alone."""
    unscaled = 1.0 if kind == "yarn" and not temperature else None
    return RopeScaling(kind, factor, trained, attention_factor=unscaled)


@torch.inference_mode()
def after_building(model: MiniMind, ids: Tensor, rebuilt: MiniMind) -> dict[str, float]:
    """Largest change of a logit of ids int64 [T] by a new configuration: of a built model, and rebuilt.

    The model has its own configuration again afterwards.
    """
    rows, own = ids[None].to(model.device), model.config
    plain = model(rows).float()  # [1, T, V]
    try:
        model.config = model.model.config = rebuilt.config
        logits = {"built": model(rows), "rebuilt": rebuilt(rows)}
    finally:
        model.config = model.model.config = own
    return {name: float((one.float() - plain).abs().max()) for name, one in logits.items()}


def all_readings(
    model: MiniMind, row: Tensor, window: int, stride: int, local_window: int, sinks: int, check: Check
) -> Iterator[tuple[str, Callable[[], Losses]]]:
    """Name and reading of every way; first the one that others are compared with."""
    length, trained = len(row) - 1, model.config.max_length
    yield "overlap", lambda: overlapping(model, row, window, stride, check)
    yield "full", lambda: token_losses(model, row[None], check)[0]
    yield "disjoint", lambda: disjoint(model, row, window, check)
    yield "local", lambda: local(model, row, local_window, 0, check)
    yield "sinks", lambda: local(model, row, local_window, sinks, check)
    yarn = scaling_for("yarn", max(1.0, length / trained), trained)
    yield "yarn", lambda: token_losses(stretched(model, yarn), row[None], check)[0]


def chunk_losses(model: MiniMind, rows: Tensor, length: int, window: int | None, check: Check) -> Losses:
    """Losses of rows int64 [D, R + 1] read in chunks of `length`, with at most `window` keys -> [D, R]."""
    chunks = rows.unfold(1, length + 1, length).flatten(0, 1)  # [D * R / length, length + 1]
    inputs = {}
    if window is not None and window < length:
        inputs["mask"] = local_mask(length, window, 0, model.device)
    return token_losses(model, chunks, check, **inputs).reshape(len(rows), -1)
