"""What a figure holds as plain data: lists and numbers that JSON can say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_PLAIN = {str, int, bool, type(None)}
"""Most of what a figure holds: seen at once, as every step of a slider makes all of it anew."""


def plain(value: Any) -> Any:
    """Lists and numbers in place of arrays and tuples; None in place of what JSON cannot say."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind in _PLAIN:
        return value
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return [item if type(item) in _PLAIN else plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
