"""What the database holds, judged again each time it is read.

Another program, an older version of this app, or an import before it was as strict may have put it there: a
value that no page could draw must not close that page for ever. What is no such value becomes an empty one;
nothing here raises, and nothing is written back before its row changes anyway.
"""

from __future__ import annotations

import json
import math
from typing import Any

from study.scoring import Points

TIERS: tuple[Points, ...] = (0, 40, 60, 80, 100)
LATEST = 253_402_300_800.0
"""The year 10000, in seconds since 1970."""
MOST_SECONDS = 100 * 86_400.0
"""The longest time for one answer; a clock that says more is wrong."""
LARGEST_REVISION = 2**52
"""No editor counts so far. A larger one leaves too little room to count on, and is taken for half of it."""
LARGEST_NUMBER = 1e300
DEEPEST = 64
"""Levels of nesting in JSON data; labs measure values of two or three."""


def read_json(text: Any) -> Any:
    """The JSON data of a text, without numbers that Python takes and JSON or floats lack; None if broken."""
    try:
        return json.loads(text, parse_constant=_none, parse_float=_finite, parse_int=_small)
    except (ValueError, TypeError, RecursionError):
        return None


def is_plain(value: Any) -> bool:
    """Whether JSON data can be kept, drawn and exported again: not too deep, all numbers finite."""
    rest = [(value, 0)]
    while rest:
        item, depth = rest.pop()
        if depth > DEEPEST or (isinstance(item, int | float) and not is_number(item, or_bool=True)):
            return False
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        rest.extend((part, depth + 1) for part in inner)
    return True


def is_number(value: Any, *, or_bool: bool = False) -> bool:
    """Whether a value is a number of a usable size; NaN is not."""
    kinds = (int, float, bool) if or_bool else (int, float)
    return type(value) in kinds and -LARGEST_NUMBER < value < LARGEST_NUMBER


def text_of(value: Any) -> str:
    """A text; bytes, which another program may have put in its place, are read as UTF-8."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def moment_of(value: Any) -> float:
    """A moment in seconds since 1970; 0 for what is none."""
    return float(value) if is_number(value) and 0 <= value < LATEST else 0.0


def seconds_of(value: Any) -> float:
    """How long an answer took, at most MOST_SECONDS."""
    return min(float(value), MOST_SECONDS) if is_number(value) and value >= 0 else 0.0


def revision_of(value: Any) -> int:
    """A revision that leaves room to count on."""
    if type(value) is not int or value < 0:
        return 0
    return value if value <= LARGEST_REVISION else LARGEST_REVISION // 2


def tier_of(value: Any) -> Points:
    """The points of a scored attempt; 0 for what are none."""
    return next((points for points in TIERS if type(value) is int and points == value), 0)


def identifiers_of(value: Any) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def dictionary_of(value: Any) -> dict[str, Any]:
    """A dictionary of JSON data, None in the place of values that cannot be kept."""
    if not isinstance(value, dict):
        return {}
    return {key: item if is_plain(item) else None for key, item in value.items()}


def answers_of(value: Any) -> dict[str, float | str | None]:
    """Predictions by id. What is neither a number nor a text counts as skipped."""
    return {
        key: item if is_number(item) or isinstance(item, str) else None
        for key, item in dictionary_of(value).items()
    }


def _none(_constant: str) -> None:
    return None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _small(digits: str) -> int | None:
    return int(digits) if len(digits) <= 300 else None
