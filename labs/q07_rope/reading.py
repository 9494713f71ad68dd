"""Losses by position of long texts cut into chunks of several lengths. Imports torch.

The same tokens are scored at every length: D documents of R tokens are read as D * R / L chunks of L, and
each token's loss lands in the same place. Only what stands before it in its chunk differs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from minimind_core.model.minimind import MiniMind

Losses = NDArray[np.float32]
AT_ONCE = {"cuda": 8192}
"""Tokens of one forward; elsewhere one chunk at a time."""
TAIL = 256
BUCKETS = 16


@dataclass(frozen=True)
class Row:
    """One line of the bench: weights, how they treat positions, and the lengths that it is read at."""

    name: str
    model: Callable[[int], MiniMind]
    """The model for chunks of a length; factors may depend on it."""
    lengths: tuple[int, ...]
    window: int | None = None
    """A token sees itself and so many before it, less one."""
    offset: int = 0
    """Added to every position."""


@torch.inference_mode()
def read(row: Row, length: int, documents: Tensor, check: Callable[[], None]) -> Losses:
    """Nats of every token in chunks of `length`: documents int64 [D, R + 1] -> float32 [D, R].

    `check` is called before every layer, so that a cancel is heard in the middle of a long chunk.
    """
    model = row.model(length)
    device = model.model.embed_tokens.weight.device
    inputs = documents[:, :-1].reshape(-1, length)  # [D, R] -> [D * R / L, L]
    targets = documents[:, 1:].reshape(-1, length)
    rows = max(1, AT_ONCE.get(device.type, length) // length)
    keywords = _keywords(row, length, device)
    losses = []
    with checked(model, check):
        for start in range(0, len(inputs), rows):
            logits = model(inputs[start : start + rows].to(device), **keywords).float()  # [B, L, V]
            wanted = targets[start : start + rows].to(device).flatten()
            losses.append(F.cross_entropy(logits.flatten(0, 1), wanted, reduction="none").cpu())
    return torch.cat(losses).view(len(documents), -1).numpy()


def mean_losses(
    model: MiniMind, lengths: tuple[int, ...], documents: Tensor, check: Callable[[], None]
) -> dict[int, float]:
    """Mean nats a token of one model by length of the chunks; the same tokens for all lengths."""
    row = Row("", lambda _length: model, lengths)
    return {length: float(read(row, length, documents, check).mean(dtype=np.float64)) for length in lengths}


def perplexity(losses: Losses) -> float:
    """exp of the mean over all tokens."""
    return math.exp(float(losses.mean(dtype=np.float64)))


def tail_perplexity(losses: Losses, length: int) -> float:
    """The same over the last `TAIL` tokens of each chunk (half a chunk that is shorter than two tails)."""
    chunks = losses.reshape(-1, length)
    return perplexity(chunks[:, -min(TAIL, length // 2) :])


def by_position(losses: Losses, length: int) -> dict[str, Any]:
    """Mean nats in `BUCKETS` equal stretches of a chunk; "position" is the middle of each."""
    means = losses.reshape(-1, BUCKETS, length // BUCKETS).mean((0, 2), dtype=np.float64)
    width = length // BUCKETS
    return {
        "position": (np.arange(BUCKETS) * width + width // 2).astype(np.int32),
        "nats": means.astype(np.float32),
    }


def growth_range(losses: Losses, trained: Losses) -> dict[str, float]:
    """Smallest and largest growth among the documents, each against itself at the trained length."""
    ratios = np.exp((losses - trained).mean(1, dtype=np.float64))
    return {"low": float(ratios.min()), "high": float(ratios.max())}


def _keywords(row: Row, length: int, device: torch.device) -> dict[str, Tensor]:
    places = torch.arange(length, device=device)
    keywords = {"positions": places + row.offset} if row.offset else {}
    if row.window is not None and row.window < length:
        keywords["mask"] = places[:, None] - places < row.window  # [L, L]; the model adds causality
    return keywords


@contextlib.contextmanager
def checked(model: MiniMind, check: Callable[[], None]) -> Iterator[None]:
    hooks = [layer.register_forward_pre_hook(lambda *_: check()) for layer in model.model.layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
