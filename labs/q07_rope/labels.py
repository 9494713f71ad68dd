"""Names of lines, moved apart at their ends where they would cover each other; ticks. Pure plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from labs.contract import Text
from labs.q07_rope.params import POSITIONS

GAP = 0.075
"""Share of the axis that a line of text takes."""


def position_names(text: Text) -> dict[str, str]:
    """The kinds of positions that are trained from several seeds, by name."""
    return {name: text(f"q07.row.{name}") for name in POSITIONS}


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The places, each moved as little as a left-to-right sweep needs for `gap` between neighbours.

    >>> spread([0.0, 0.1, 5.0], 1.0)
    [-0.45, 0.55, 5.0]
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    groups: list[list[int]] = []
    centres: list[float] = []
    for place in order:
        groups.append([place])
        centres.append(places[place])
        while len(groups) > 1 and centres[-1] - centres[-2] < gap * (len(groups[-1]) + len(groups[-2])) / 2:
            merged = groups[-2] + groups[-1]
            centres[-2:] = [sum(places[one] for one in merged) / len(merged)]
            groups[-2:] = [merged]
    moved = list(places)
    for group, centre in zip(groups, centres, strict=True):
        for rank, place in enumerate(group):
            moved[place] = centre + gap * (rank - (len(group) - 1) / 2)
    return moved


def name_ends(figure: Any, ends: Sequence[tuple[float, float, str]], low: float, high: float) -> None:
    """Write each text to the right of its end (x, y) of a line; both axes are logarithmic."""
    height = math.log10(high / low)
    heights = spread([math.log10(y) for _, y, _ in ends], GAP * height)
    for (x, _, text), y in zip(ends, heights, strict=True):
        figure.add_annotation(x=math.log10(x), y=y, text=text, showarrow=False, xanchor="left", xshift=10,
                              font={"size": 13})


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
