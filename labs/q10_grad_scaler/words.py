"""How Question 10 writes its numbers."""

from __future__ import annotations

SMALLEST_SHOWN = 0.01


def percent(value: float) -> str:
    """Three digits with the sign; what is too small to matter is said to be small, not shown as 2e-05.

    >>> percent(34.567), percent(0.0002), percent(0)
    ('34.6 %', '< 0.01 %', '0 %')
    """
    if 0 < value < SMALLEST_SHOWN:
        return f"< {SMALLEST_SHOWN} %"
    return f"{value:.3g} %" if value < 99.95 or value == 100 else f"{value:.2f} %"


def number(value: float) -> str:
    """Three digits, and large ones in full.

    >>> number(0.1234), number(1072.4), number(36690942)
    ('0.123', '1,072', '36,690,942')
    """
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def raised(exponent: int) -> str:
    """An exponent as it stands above the line.

    >>> raised(-14)
    '⁻¹⁴'
    """
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
