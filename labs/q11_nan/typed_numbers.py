"""A few numbers as somebody types them, Inf and NaN among them. No torch."""

from __future__ import annotations

import re

from labs.contract.fields import ParamError
from minimind_core.errors import shortened

MOST = 8


def read_numbers(typed: str, field: str) -> list[float]:
    """The numbers of a field. Raises ParamError with one sentence.

    >>> read_numbers("inf, -4", "gradient")
    [inf, -4.0]
    """
    words = [word for word in re.split(r"[\s,，、;；]+", typed) if word]
    if not 1 <= len(words) <= MOST:
        raise ParamError(
            "together",
            field,
            f"Type 1 to {MOST} numbers, such as inf, 4; here are {len(words)}.",
            key="q11.numbers.count",
            most=MOST,
            count=len(words),
        )
    return [_number(word, field) for word in words]


def _number(word: str, field: str) -> float:
    try:
        return float(word.replace("−", "-"))
    except ValueError:
        shown = shortened(word, 24)
        raise ParamError(
            "together",
            field,
            f"{shown} is no number; type such as inf, nan, −4 or 3e38.",
            key="q11.numbers.number",
            word=shown,
        ) from None
