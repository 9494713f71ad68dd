"""Names at the ends of lines, moved apart where they would cover each other. Pure plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

GAP = 0.075
"""Share of the axis that a line of text takes."""


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


def name_ends(
    figure: Any, ends: Sequence[tuple[float, float, str]], low: float, high: float, *, log: bool
) -> None:
    """Write each text to the right of its end (x, y) of a line; y goes from `low` to `high`.

    `log`: both axes are logarithmic.
    """
    place = math.log10 if log else float
    heights = spread([place(y) for _, y, _ in ends], GAP * (place(high) - place(low)))
    for (x, _, text), y in zip(ends, heights, strict=True):
        figure.add_annotation(
            x=place(x), y=y, text=text, showarrow=False, xanchor="left", xshift=10, font={"size": 13}
        )
