"""How far rounding alone moves a rotated score: the formula beside the microscope. NumPy only.

The angle m * theta is rounded to the nearest number of its type, so it is off by up to half the gap between
neighbours there; a gap doubles with every doubling of m. Every value is rounded to a relative error that does
not depend on m. The model is for vectors with standard normal entries, whose score has a standard deviation
of sqrt(head_dim).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labs.contract import Floats

Array = NDArray[np.float64]
BITS = {"fp64": (53, 53), "fp32": (24, 24), "bf16_values": (24, 8), "bf16_angles": (8, 8)}
"""Significant bits of the angles and of the values, by arithmetic."""
ROUNDINGS = 9
"""Relative roundings in a difference of two scores: cos and sin, two products and a sum for each rotated
vector, but for the query at position 0, which is not changed at all."""
ROUNDING_RMS = math.sqrt(3 / (8 * math.log(2)) / 12)
"""RMS relative error of a rounding in units of the gap at 1: a uniform error over a mantissa in [1, 2) that
is spread evenly in its logarithm."""


def gap(value: Array, bits: int) -> Array:
    """The distance from `value` to the next number with so many significant bits.

    >>> gap(np.array([1.0, 300.0]), 8).tolist()
    [0.0078125, 2.0]
    """
    exponent = np.floor(np.log2(np.maximum(np.abs(value), 1e-300)))
    return np.asarray(np.exp2(exponent - (bits - 1)))


def expected_errors(starts: Sequence[int], distance: int, theta: Array) -> dict[str, Floats]:
    """Expected RMS of score(m, m + D) - score(0, D) over the score's standard deviation, [starts] each."""
    positions = np.array(starts, float)
    return {
        name: _expected(positions, distance, theta, *bits).astype(np.float32) for name, bits in BITS.items()
    }


def _expected(starts: Array, distance: int, theta: Array, angle_bits: int, value_bits: int) -> Array:
    """The same in one arithmetic.

    A pair whose angle is off by d changes by |exp(id) - 1|. The rounding of a product is uniform within
    half a gap, w, and E cos d is a product of sin(w)/w; the rounding of the two positions is known, and
    what counts is how much it changes their difference.
    """
    first, second = (_rounded(position, angle_bits) for position in (starts, starts + distance))
    merged = (first == second)[:, None] & (distance > 0)  # the same position twice: the same rounding twice
    lost = np.zeros((len(starts), len(theta)))
    for position in (first, second):
        lost += np.where(merged, 0.0, _lost(gap(np.outer(position, theta), angle_bits) / 2))
    lost += _lost(gap(distance * theta, angle_bits) / 2) if distance else 0.0
    moved = np.outer(second - first - distance, theta)
    change = -np.expm1(-lost) + np.exp(-lost) * 2 * np.sin(moved / 2) ** 2  # 1 - E cos d
    relative = ROUNDING_RMS * 2.0 ** (1 - value_bits)
    return np.asarray(np.sqrt(2 * change.mean(1) + ROUNDINGS * relative**2))


def _lost(half_width: Array) -> Array:
    """-log E cos d for d uniform within the half width, exact also where it is tiny."""
    tiny = half_width < 1e-3
    sinc = np.sinc(np.where(tiny, 1.0, half_width) / math.pi)
    return np.where(tiny, half_width**2 / 6, -np.log(np.maximum(sinc, 1e-12)))


def _rounded(value: Array, bits: int) -> Array:
    """To the nearest number with so many significant bits, ties to even."""
    step = gap(value, bits)
    return np.asarray(np.round(value / step) * step)
