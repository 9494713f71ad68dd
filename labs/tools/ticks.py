"""Ticks of logarithmic axes that read well. Pure."""

from __future__ import annotations

import math
from typing import Any


def power_ticks(low: float, high: float, every: int = 1) -> dict[str, Any]:
    """Powers of ten on an axis, in letters of one size; plotly's own are larger than all other ticks.

    >>> power_ticks(0.5, 200)["ticktext"]
    ['1', '10', '10<sup>2</sup>']
    """
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    shown = [power for power in powers if power % every == 0]
    return {
        "tickvals": [10.0**power for power in shown],
        "ticktext": [("1", "10")[power] if power in (0, 1) else f"10<sup>{power}</sup>" for power in shown],
    }


def round_ticks(low: float, high: float) -> dict[str, Any]:
    """1, 2, 5 and their multiples by ten, written out."""
    every = [digit * 10.0**power for power in range(-2, 7) for digit in (1, 2, 5)]
    shown = [tick for tick in every if low <= tick <= high]
    return {"tickvals": shown, "ticktext": [f"{tick:,.4g}" for tick in shown]}
