"""Number formats as windows in powers of two, and where a moved histogram falls in them. No torch.

Sources: IEEE 754-2008 (binary16, binary32); bfloat16 is binary32 cut to its upper half.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST, PER_OCTAVE = -110, 40, 2
"""Exponents that a histogram covers, and its bins an octave; what is smaller is in the first bin."""
EDGES = np.arange(LOWEST, HIGHEST, 1 / PER_OCTAVE)
"""The lower exponents of a histogram's bins."""
LARGEST_FP16, INFINITE_FP16 = 65504.0, 65520.0
"""The largest finite FP16 number, and from where a result is rounded to Inf."""
KINDS = ("zero", "subnormal", "normal", "overflow")
Shares = dict[str, float]
"""Shares of all elements by kind."""


class Format(NamedTuple):
    """Exponents up to which a number becomes zero and loses precision, and from which it becomes Inf."""

    zero: int
    normal: int
    overflow: int

    def limits(self) -> dict[str, tuple[float, float]]:
        """The exponents between which a number is of each kind."""
        return dict(zip(KINDS, itertools.pairwise((-math.inf, *self, math.inf)), strict=True))


FORMATS = {
    "fp16": Format(zero=-25, normal=-14, overflow=16),
    "bf16": Format(zero=-134, normal=-126, overflow=128),
    "fp32": Format(zero=-150, normal=-126, overflow=128),
}


def to_bf16(x: Any) -> NDArray[np.float32]:
    """FP32 values [*] rounded to BF16, ties to even, as FP32.

    >>> float(to_bf16(257.0))
    256.0
    """
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def shares(histogram: NDArray[np.generic], zeros: int, shift: int, name: str = "fp16") -> Shares:
    """What share of all elements is of each kind in a format after a move by 2^shift.

    `histogram` [bins] counts |g| by exponent, `zeros` those that are zero already. Thresholds are edges of
    bins, so nothing is estimated but the 0.02 % below 2^16 that rounds up to Inf.

    >>> number = np.zeros(300); number[2 * (110 - 30)] = 1          # one number, 2^-30
    >>> shares(number, 0, 0)["zero"], shares(number, 0, 10)["subnormal"]
    (1.0, 1.0)
    """
    exponents = EDGES + shift
    counts = {
        kind: int(histogram[(exponents >= low) & (exponents < high)].sum())
        for kind, (low, high) in FORMATS[name].limits().items()
    }
    counts["zero"] += zeros
    total = max(sum(counts.values()), 1)
    return {kind: count / total for kind, count in counts.items()}
