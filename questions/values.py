"""Values of claims: as written in the file, as shown in a sentence, and compared with a measurement.

A number keeps the digits it was written with (TOML floats are read as Decimal), and these digits are
the statement: 0.6612 agrees with whatever rounds to 0.6612. A value may also be a text, a truth, a
list or a table of values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from questions.counted import counted
from questions.entry import Entry

Value: TypeAlias = "int | Decimal | bool | str | tuple[Value, ...] | Mapping[str, Value]"
ToleranceKind = Literal["absolute", "relative", "factor"]
TOLERANCES: tuple[ToleranceKind, ...] = ("absolute", "relative", "factor")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"
"""The sign of a number that is read; code keeps its hyphen."""
_ENUMERATION = {"en": (", ", " and "), "zh": ("、", " 和 ")}
"""Between the items of a list in a sentence, and before the last one."""


@dataclass(frozen=True)
class Tolerance:
    """How far a number may lie from the true one.

    >>> Tolerance("absolute", 0.02).accepts(0.65, 0.661), Tolerance("factor", 2).accepts(3, 7)
    (True, False)
    """

    kind: ToleranceKind
    amount: float

    def accepts(self, number: float, true: float) -> bool:
        """Whether `number` is near enough. A factor needs two numbers of the same sign, neither 0."""
        if not (math.isfinite(number) and math.isfinite(true)):
            return number == true
        if self.kind == "factor":
            if number * true <= 0:
                return number == true
            return _about(max(number / true, true / number), self.amount)
        limit = self.amount if self.kind == "absolute" else self.amount * abs(true)
        return _about(abs(number - true), limit)


def read_value(entry: Entry, key: str) -> Value:
    """The value below `key`, made immutable."""
    try:
        return _frozen(entry.data[key])
    except (KeyError, TypeError) as error:
        raise entry.fail(key, "must be a finite number, a text, true, or a list or table of them.") from error


def read_tolerance(entry: Entry, key: str = "tolerance") -> Tolerance | None:
    """Read a table such as `tolerance.relative = 0.1`; None where there is none."""
    if key not in entry.data:
        return None
    table = entry.table(key)
    if len(table.data) != 1 or next(iter(table.data)) not in TOLERANCES:
        raise entry.fail(key, f"must have exactly one of {', '.join(TOLERANCES)}.")
    kind, amount = next(iter(table.data.items()))
    least = int(kind == "factor")
    number = finite(amount)
    if number is None or number < least:
        raise table.fail(kind, f"must be a number of at least {least}, not {amount}.")
    return Tolerance(cast(ToleranceKind, kind), number)


def finite(value: Any) -> float | None:
    """A number of a file as a float; None for what is no number, is not finite or leaves float's range."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an int of 400 digits, a signalling NaN
        return None
    return number if math.isfinite(number) else None


def part(value: Value, names: tuple[str, ...]) -> Value:
    """The value at a path of names; in a list "1" is the first. Raises LookupError."""
    for name in names:
        if isinstance(value, tuple):
            index = int(name) if name.isdecimal() else 0
            if not 1 <= index <= len(value):
                raise LookupError(f"there is no item {name}; a list counts from 1 to {len(value)}")
            value = value[index - 1]
        elif isinstance(value, Mapping) and name in value:
            value = value[name]
        else:
            known = f" among {', '.join(value)}" if isinstance(value, Mapping) else ""
            raise LookupError(f"there is no {name}{known}")
    return value


def shown(value: Value, unit: str = "", language: str = "en") -> str:
    """The value for a sentence, with its unit. Raises LookupError for a list of lists: no sentence holds it.

    >>> shown(33554432, "B"), shown(Decimal("6.1e-6")), shown((10, 5, 4)), shown((10, 5, 4), language="zh")
    ('33,554,432\N{NO-BREAK SPACE}B', '6.1 × 10⁻⁶', '10, 5 and 4', '10、5 和 4')
    >>> shown(-2764800)
    '−2,764,800'
    """
    return counted(_bare(value, language), unit)


def as_code(value: Value) -> str:
    """The value as a program would write it: a shape, ids, a mask, logits.

    >>> as_code((2, 5, 6400)), as_code((Decimal("0.50"), "NaN", True))
    ('[2, 5, 6400]', '[0.50, NaN, true]')
    """
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_code, value))}]"
    return str(value).lower() if isinstance(value, bool | Decimal) else str(value)


def agree(stated: Value, measured: Any, tolerance: Tolerance | None = None) -> bool:
    """Whether a measurement bears out what is stated: by the tolerance, else to the digits written.

    >>> agree((Decimal("0.6612"), 3), [0.66119, 3]), agree(Decimal("0.6612"), 0.6613)
    (True, False)
    """
    if isinstance(stated, Mapping):
        return (
            isinstance(measured, Mapping)
            and stated.keys() == measured.keys()
            and all(agree(value, measured[name], tolerance) for name, value in stated.items())
        )
    if isinstance(stated, tuple):
        return (
            isinstance(measured, list | tuple)
            and len(stated) == len(measured)
            and all(agree(*pair, tolerance) for pair in zip(stated, measured, strict=True))
        )
    if isinstance(stated, bool | str) or isinstance(measured, bool) or not isinstance(measured, int | float):
        return type(stated) is type(measured) and bool(stated == measured)
    if tolerance is not None:
        return tolerance.accepts(measured, float(stated))
    if isinstance(stated, int):
        return measured == stated
    return abs(measured - float(stated)) <= half_last_digit(stated) * (1 + 1e-9)


def half_last_digit(number: Decimal) -> float:
    """Half a unit of the last digit written.

    >>> half_last_digit(Decimal("0.6612"))
    5e-05
    """
    return 0.5 * 10.0 ** int(number.as_tuple().exponent)


def plain(value: Value) -> Any:
    """The value as JSON data: numbers, texts, lists, dicts."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _frozen(value: Any) -> Value:
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, bool | str) or finite(value) is not None:
        return value
    raise TypeError(value)


def _bare(value: Value, language: str) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_bare(item, language)}" for name, item in value.items())
    if isinstance(value, tuple):
        return _enumerated(value, language)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal) and value and value.adjusted() < -4:
        digits, exponent = f"{value:e}".lower().split("e")
        power = f"10{str(int(exponent)).translate(SUPERSCRIPTS)}"
        return power if digits == "1" else f"{digits.replace('-', MINUS)} × {power}"
    if isinstance(value, str):
        return value
    return (f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}").replace("-", MINUS)


def _enumerated(values: tuple[Value, ...], language: str) -> str:
    if not values or any(isinstance(item, tuple | Mapping) for item in values):
        raise LookupError("an empty list, or one of lists, stands in no sentence; write it in backticks")
    *others, last = (_bare(item, language) for item in values)
    comma, word = _ENUMERATION[language]
    return f"{comma.join(others)}{word}{last}" if others else last


def _about(distance: float, limit: float) -> bool:
    """Whether distance <= limit, up to the rounding error of a subtraction."""
    return distance <= limit * (1 + 1e-9) + 1e-15
