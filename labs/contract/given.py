"""What somebody gave for a parameter: read as a choice, and written into a sentence."""

from __future__ import annotations

import re
from typing import Any

from minimind_core.errors import shortened

WHOLE = re.compile(r"-?\d+( …|$)")
"""A whole number as `written`, one of many digits included."""
_LONGEST_GIVEN = 60
"""Characters of a refused value that a sentence repeats."""


def names_of(choice: Any) -> tuple[str, ...]:
    """The texts that mean it; a float is also written with an exponent.

    >>> names_of(0.0003), names_of("both")
    (('0.0003', '3e-4'), ('both',))
    """
    if not isinstance(choice, float):
        return (str(choice),)
    return str(choice), f"{choice:.0e}".replace("e-0", "e-")


def same(value: Any, choice: Any) -> bool:
    """Whether they are equal; true is not 1."""
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def written(value: Any) -> str:
    """`value` as text, shortened; by its kind where Python writes none: 5,000 digits, endless nesting."""
    try:
        return shortened(str(value))
    except (ValueError, RecursionError):
        return f"({type(value).__name__} …)"


def quoted(value: Any) -> str:
    """What somebody gave, for a sentence: in quotes where it is a text, and shortened.

    >>> quoted("-" * 100), quoted(3)
    ("'------------------------------------------ … ---------------'", '3')
    """
    if isinstance(value, str):
        return repr(shortened(value, _LONGEST_GIVEN))
    return shortened(written(value), _LONGEST_GIVEN)
