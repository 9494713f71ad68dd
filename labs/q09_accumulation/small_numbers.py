"""How a rounding error is written. No torch."""

from __future__ import annotations

from labs.tools.written import raised, short_number


def small_number(value: float) -> str:
    """Two digits and a power of ten for what is below a thousandth, else three digits.

    >>> small_number(7.9e-07), small_number(0.0041), small_number(0.0)
    ('7.9 × 10⁻⁷', '0.0041', '0')
    """
    if not 0 < abs(value) < 1e-3:
        return short_number(value)
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa} × 10{raised(int(power))}"
