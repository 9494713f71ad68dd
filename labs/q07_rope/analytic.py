"""The formula side of Question 7: what rounding does to a score, and the spectrum. NumPy, no torch.

The error model knows two things. The angle m * theta is rounded to the nearest number of its type, so it
is off by up to half the gap between neighbours there; a gap doubles with every doubling of m. And every
value is rounded to a relative error that does not depend on m. It is for vectors with standard normal
entries, whose score has a standard deviation of sqrt(head_dim).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labs.contract.columns import Result
from labs.q07_rope.params import ARITHMETICS, InvarianceParams, SpectrumParams
from labs.q07_rope.scaling import frequencies, kept_share, multipliers, read_scaling, temperature, wavelengths
from minimind_core.model.config import RopeScaling

Array = NDArray[np.float64]
HEAD_DIM, BASE = 64, 1e6
"""The head that random vectors are for: the 26M's."""
GRID = tuple(sorted({round(10 ** (step / 8)) for step in range(49)}))
"""Starts that are measured, eight a decade from 1 to a million."""
BITS = {"fp64": (53, 53), "fp32": (24, 24), "bf16_values": (24, 8), "bf16_angles": (8, 8)}
"""Significant bits of the angles and of the values, by arithmetic."""
ROUNDINGS = 9
"""Relative roundings in a difference of two scores: cos and sin, two products and a sum for each rotated
vector, but for the query at position 0, which is not changed at all."""
LOST_A_ROUNDING = math.sqrt(3 / (8 * math.log(2)) / 12)
"""RMS relative error of a rounding in units of the gap at 1: a uniform error over a mantissa in [1, 2) that
is spread evenly in its logarithm."""
SAID_ERROR = 0.0


def gap(value: Array, bits: int) -> Array:
    """The distance from `value` to the next number with so many significant bits.

    >>> gap(np.array([1.0, 300.0]), 8).tolist()
    [0.0078125, 2.0]
    """
    exponent = np.floor(np.log2(np.maximum(np.abs(value), 1e-300)))
    return np.asarray(np.exp2(exponent - (bits - 1)))


def score_error(starts: Array, distance: int, arithmetic: str, theta: Array) -> Array:
    """Expected RMS of score(m, m + D) - score(0, D) over the score's standard deviation; starts [M] -> [M].

    A pair whose angle is off by d changes by |exp(id) - 1|. The rounding of a product is uniform within
    half a gap, w, and E cos d is a product of sin(w)/w; the rounding of the two positions is known, and
    what counts is how much it changes their difference.
    """
    angle_bits, value_bits = BITS[arithmetic]
    first, second = (_rounded(position, angle_bits) for position in (starts, starts + distance))
    merged = (first == second)[:, None] & (distance > 0)  # the same position twice: the same rounding twice
    lost = np.zeros((len(starts), len(theta)))
    for position in (first, second):
        lost += np.where(merged, 0.0, _lost(gap(np.outer(position, theta), angle_bits) / 2))
    lost += _lost(gap(distance * theta, angle_bits) / 2) if distance else 0.0
    moved = np.outer(second - first - distance, theta)
    change = -np.expm1(-lost) + np.exp(-lost) * 2 * np.sin(moved / 2) ** 2  # 1 - E cos d
    relative = LOST_A_ROUNDING * 2.0 ** (1 - value_bits)
    return np.asarray(np.sqrt(2 * change.mean(1) + ROUNDINGS * relative**2))


def _lost(half_width: Array) -> Array:
    """-log E cos d for d uniform within the half width, exact also where it is tiny."""
    tiny = half_width < 1e-3
    sinc = np.sinc(np.where(tiny, 1.0, half_width) / math.pi)
    return np.where(tiny, half_width**2 / 6, -np.log(np.maximum(sinc, 1e-12)))


def invariance(params: InvarianceParams) -> Result:
    """The error model over `GRID` for the four arithmetics. It knows random vectors only."""
    theta, starts = frequencies(HEAD_DIM, BASE), np.array(GRID, float)
    error = {
        name: score_error(starts, params.distance, name, theta).astype(np.float32) for name in ARITHMETICS
    }
    return {
        "starts": list(GRID),
        "formula": error,
        "distance": params.distance,
        "said": SAID_ERROR,
        "head_dim": HEAD_DIM,
        "base": BASE,
    }


def spectrum(params: SpectrumParams) -> Result:
    """Wavelengths, full turns within `length`, and what each treatment multiplies the frequencies by."""
    size, base = params.head_dim, params.base
    treatments = scalings(params)
    waves = wavelengths(size, base)
    turned = int((params.length >= waves).sum())
    return {
        "wavelength": waves.tolist(),
        "full_turns": turned,
        "unfinished": len(waves) - turned,
        "length": params.length,
        "head_dim": size,
        "base": base,
        "multipliers": {
            name: multipliers(size, base, scaling).tolist() for name, scaling in treatments.items()
        },
        "temperature": {name: temperature(scaling) for name, scaling in treatments.items()},
        "bands": {
            name: bands(size, base, scaling) for name, scaling in treatments.items() if scaling.kind == "yarn"
        },
        "target": {
            name: round(scaling.factor * scaling.original_length) for name, scaling in treatments.items()
        },
        "ntk_base": base * params.factor ** (size / (size - 2)),
    }


def scalings(params: SpectrumParams) -> dict[str, RopeScaling]:
    """The treatments by name; "custom" is missing where the dictionary asks for none."""
    off = None if params.temperature else 1.0
    common: dict[str, Any] = {"factor": params.factor, "original_length": params.original}
    found = {
        "pi": RopeScaling("pi", **common),
        "ntk": RopeScaling("ntk", **common),
        "yarn": RopeScaling(
            "yarn", **common, beta_fast=params.beta_fast, beta_slow=params.beta_slow, attention_factor=off
        ),
    }
    custom = read_scaling(params.custom)
    return found if custom is None else {**found, "custom": custom}


def bands(head_dim: int, base: float, scaling: RopeScaling) -> dict[str, int]:
    """How many pairs YaRN keeps, joins by the ramp and divides.

    >>> bands(64, 1e6, RopeScaling("yarn", 16, 2048))
    {'kept': 6, 'ramp': 8, 'divided': 18}
    """
    share = kept_share(head_dim, base, scaling)
    kept, divided = int((share == 1).sum()), int((share == 0).sum())
    return {"kept": kept, "ramp": len(share) - kept - divided, "divided": divided}


def _rounded(value: Array, bits: int) -> Array:
    """To the nearest number with so many significant bits, ties to even."""
    step = gap(value, bits)
    return np.asarray(np.round(value / step) * step)
