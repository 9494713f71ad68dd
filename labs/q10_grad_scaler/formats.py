"""The windows of the number formats in powers of two, and where a moved histogram falls in them. No torch.

Sources: IEEE 754-2008 (binary16, binary32); bfloat16 is binary32 cut to its upper half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST, PER_OCTAVE = -110, 40, 2
"""Exponents that a histogram covers, and its bins an octave; what is smaller is in the first bin."""
LARGEST_FP16, INFINITE_FP16 = 65504.0, 65520.0
"""The largest finite FP16 number, and from where a result is rounded to Inf."""
KINDS = ("zero", "subnormal", "normal", "overflow")
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """Exponents at which a number becomes zero, loses precision, and becomes Inf when rounded."""

    zero: int
    normal: int
    overflow: int
    bits: int
    """Of the significand, the hidden one included."""


FORMATS = {
    "fp16": Format(zero=-25, normal=-14, overflow=16, bits=11),
    "bf16": Format(zero=-134, normal=-126, overflow=128, bits=8),
    "fp32": Format(zero=-150, normal=-126, overflow=128, bits=24),
}
SMALLEST_EXPONENT = FORMATS["fp16"].zero + 1
"""2^-24 is the smallest positive FP16 number; what is at most half of it becomes zero."""


def edges() -> NDArray[np.float64]:
    """The lower exponents of a histogram's bins."""
    return np.arange(LOWEST, HIGHEST, 1 / PER_OCTAVE)


def shares(histogram: Counts, zeros: float, shift: int, name: str = "fp16") -> dict[str, float]:
    """What share of all elements is zero, subnormal, normal or Inf after a move by 2^shift.

    `histogram` [bins] counts |g| by exponent, `zeros` those that are zero already. Thresholds are edges of
    bins, so nothing is estimated but the 0.02 % below 2^16 that rounds up to Inf.

    >>> one = np.zeros(300); one[2 * (110 - 30)] = 1          # one number, 2^-30
    >>> shares(one, 0, 0)["zero"], shares(one, 0, 10)["subnormal"]
    (1.0, 1.0)
    """
    total = float(histogram.sum()) + zeros
    window, exponents = FORMATS[name], edges() + shift
    inside = {
        "zero": exponents < window.zero,
        "subnormal": (exponents >= window.zero) & (exponents < window.normal),
        "normal": (exponents >= window.normal) & (exponents < window.overflow),
        "overflow": exponents >= window.overflow,
    }
    counted = {kind: float(histogram[where].sum()) for kind, where in inside.items()}
    counted["zero"] += zeros
    return {kind: count / total if total else 0.0 for kind, count in counted.items()}


def summed(places: Mapping[str, Mapping[str, Any]], group: str) -> tuple[Counts, float]:
    """Histogram and zeros of the places in a group: "all", "logits" or the number of a layer."""
    chosen = [place for place in places.values() if group in ("all", place["group"])]
    empty = np.zeros((HIGHEST - LOWEST) * PER_OCTAVE)
    return (
        sum((np.asarray(place["histogram"], float) for place in chosen), start=empty),
        sum(float(place["zeros"]) for place in chosen),
    )
