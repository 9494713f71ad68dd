"""Rows, pairs and masks of a batch, and what every rule for the mask reports. NumPy only, no tokenizer.

Shapes: N rows of T ids; the T - 1 pairs of a row are X = ids[:, :-1] and Y = ids[:, 1:].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rule = Literal["y", "x", "by_id", "none", "after_mean", "double_shift"]
"""How the loss treats padding; "y" is right, the others are what Question 1 warns of."""
Mean = Literal["token", "sample"]
Side = Literal["right", "left"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Framing:
    """How a text's ids become a row: its special tokens, its padding, and where it is cut."""

    length: int
    pad_id: int
    bos_id: int | None = None
    eos_id: int | None = None
    side: Side = "right"
    eos_when_cut: bool = False
    """Put EOS behind a text that was cut; a model that learns from it stops in the middle of sentences."""


@dataclass(frozen=True)
class Rows:
    """A padded batch: ids int32 [N, T], real [N, T] (a text's own ids and its BOS and EOS), cut [N]."""

    ids: NDArray[np.int32]
    real: Mask
    cut: list[bool]


def make_rows(texts: Sequence[Sequence[int]], framing: Framing) -> Rows:
    """The batch of these texts' ids. What is real is known from the lengths, never from an id."""
    framed, cut = zip(*(frame(text, framing) for text in texts), strict=True)
    ids = np.full((len(texts), framing.length), framing.pad_id, np.int32)
    real = np.zeros(ids.shape, bool)
    for row, own in enumerate(framed):
        place = slice(len(own)) if framing.side == "right" else slice(framing.length - len(own), None)
        ids[row, place] = own
        real[row, place] = True
    return Rows(ids, real, list(cut))


def frame(text: Sequence[int], framing: Framing) -> tuple[list[int], bool]:
    """A text's ids between BOS and EOS, cut to the length, and whether it was cut."""
    before = [] if framing.bos_id is None else [framing.bos_id]
    after = [] if framing.eos_id is None else [framing.eos_id]
    whole = [*before, *text, *after]
    if len(whole) <= framing.length:
        return whole, False
    if framing.eos_when_cut and after:
        return [*whole[: framing.length - 1], *after], True
    return whole[: framing.length], True


def mask_of(rule: Rule, rows: Rows, pad_id: int) -> Mask:
    """Which pairs [N, T - 1] bear loss. "double_shift" has the mask of "y": it is the targets that move."""
    if rule == "x":
        return rows.real[:, :-1]
    if rule == "by_id":
        return rows.ids[:, 1:] != pad_id
    if rule in ("none", "after_mean"):
        return np.ones_like(rows.real[:, 1:])
    return rows.real[:, 1:]


def mean_loss(losses: NDArray[np.float32], mask: Mask, mean: Mean) -> float | None:
    """Of losses [N, T - 1] in nats, over all kept pairs or over the rows' own means; None for no pair.

    >>> losses, mask = np.array([[2, 2], [6, 0]], np.float32), np.array([[1, 1], [1, 0]], bool)
    >>> mean_loss(losses, mask, "sample")
    4.0
    """
    if not mask.any():
        return None
    kept = losses.astype(np.float64)
    if mean == "token":
        return float(kept[mask].mean())
    return float(np.mean([row[own].mean() for row, own in zip(kept, mask, strict=True) if own.any()]))


def count_targets(lengths: Sequence[int]) -> int:
    """Targets of rows with so many real ids, padded on the right: sum of max(0, n - 1).

    >>> count_targets([3, 5, 0])
    6
    """
    return sum(max(0, length - 1) for length in lengths)
