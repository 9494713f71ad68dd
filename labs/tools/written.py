"""How numbers are written in plots and notes. No torch, no plotly."""

from __future__ import annotations

import math
from collections.abc import Iterable

from labs.contract.filling import raised
from questions.values import MINUS

SMALL = 1e-3
"""What is smaller is written with a power of ten."""


def short_number(value: float) -> str:
    """Three digits, and large numbers in full, for a label.

    >>> short_number(0.1234), short_number(1072.4), short_number(-36690942)
    ('0.123', '1,072', '−36,690,942')
    """
    return (f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}").replace("-", MINUS)


def short_percent(value: float) -> str:
    """Three digits with the sign; what is too small to matter is said to be small, not shown as 2e-05.

    >>> short_percent(34.567), short_percent(0.0002), short_percent(0)
    ('34.6%', '<0.01%', '0%')
    """
    if 0 < value < 0.01:
        return "<0.01%"
    return f"{value:.3g}%" if value < 99.95 or value == 100 else f"{value:.2f}%"


def binary_ticks(values: Iterable[float]) -> dict[float, str]:
    """Powers of two around the positive values, written out; sixteen at most.

    >>> list(binary_ticks([1024, 3000]).values())
    ['1,024', '2,048', '4,096']
    """
    powers = [math.log2(value) for value in values if value > 0]
    low, high = math.floor(min(powers)), math.ceil(max(powers))
    return {2.0**power: f"{2.0**power:,.6g}" for power in range(low, high + 1, max(1, (high - low) // 8))}


def small_number(value: float, digits: int = 2) -> str:
    """So many digits and a power of ten for what is below a thousandth, else three digits.

    >>> small_number(7.9e-07), small_number(0.0041), small_number(0.0)
    ('7.9 × 10⁻⁷', '0.0041', '0')
    """
    if not 0 < abs(value) < SMALL:
        return short_number(value)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g} × 10{raised(int(power))}".replace("-", MINUS)
