"""Names of the kinds of positions, and axes around lines with names at their ends. Pure plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from labs.contract.columns import Text
from labs.q07_rope.params import POSITIONS


def position_names(text: Text) -> dict[str, str]:
    """The kinds of positions that are trained from several seeds, by name."""
    return {name: text(f"q07.row.{name}") for name in POSITIONS}


def log_axes(figure: Any, xs: Sequence[float], ys: Sequence[float], *, room: float) -> tuple[float, float]:
    """Set both axes to powers of ten around the data, with `room` (a share of the width) for names; returns

    the limits of y.
    """
    left, right = math.log10(min(xs)), math.log10(max(xs))
    width = max(right - left, 0.3)
    low, high = min(ys) / 1.3, max(ys) * 1.3
    figure.update_xaxes(type="log", range=[left - 0.04 * width, right + room * width])
    figure.update_yaxes(type="log", range=[math.log10(low), math.log10(high)])
    return low, high
