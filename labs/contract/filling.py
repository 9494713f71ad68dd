"""Fills the templates of the catalogues, and writes a number out where Python would write 1e+03."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from questions.counted import fill_counted
from questions.values import MINUS, SUPERSCRIPTS

LONG = 15
"""Digits up to which a large number is written out."""


def raised(exponent: int) -> str:
    """An exponent as it stands above the line.

    >>> raised(-14)
    '⁻¹⁴'
    """
    return str(exponent).translate(SUPERSCRIPTS)


def without_e(written: str) -> str:
    """A formatted number as people write it; any other text as it is.

    >>> without_e("1.23e+03"), without_e("8e-07"), without_e("4.1e+31"), without_e("12.5")
    ('1,230', '8 × 10⁻⁷', '4.1 × 10³¹', '12.5')
    """
    mantissa, letter, power = written.partition("e")
    if not letter or not power.lstrip("+-").isdigit():
        return written
    exponent = int(power)
    return f"{float(written):,.0f}" if 0 <= exponent < LONG else f"{mantissa} × 10{raised(exponent)}"


class _Number:
    """A number in a template, written without an e whatever its format asks for, and with a minus sign."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        return without_e(format(self._value, spec)).replace("-", MINUS)

    def __str__(self) -> str:
        return format(self)


def readable(value: Any) -> Any:
    """A value for a template: a number is written as `without_e` says, all else is what it was."""
    return _Number(value) if isinstance(value, Real) else value


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with its values.

    >>> fill("{wait:.2g} ms for {who}", {"wait": 1234.0, "who": "all"})
    '1,200 ms for all'
    """
    return fill_counted(template, {name: readable(value) for name, value in values.items()})
