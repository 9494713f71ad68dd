"""Lines on logarithmic axes, each named at its end: most of our plots over a length or a position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labs.contract.drawing import Figure, Role

ROOM = 0.45
"""Share of the width that is left for the names."""


class NamedLines:
    """Draws lines into a figure, and fits its axes to them when all are drawn.

    lines = NamedLines(figure, also=[1.0])      # values that lie within the axis in any case
    lines.draw({512: 8.2, 1024: 18.3}, "measured", text("rope"), symbol="circle")
    low, high = lines.fit([512, 1024])
    """

    def __init__(self, figure: Figure, also: Iterable[float] = ()) -> None:
        self.figure, self.values = figure, list(also)
        self.ends: list[tuple[float, float, str]] = []

    def draw(
        self, points: Mapping[int, float | None], role: Role, end: str | None = None, **line: Any
    ) -> None:
        """A line through y by x, named `end` unless its last y is missing; `line` are for `Figure.line`."""
        self.figure.line(list(points), list(points.values()), role, **line)
        known = {x: y for x, y in points.items() if y is not None}
        self.values += known.values()
        last = max(points)
        if end is not None and last in known:
            self.ends.append((last, known[last], end))

    def fit(self, x: Iterable[float]) -> tuple[float, float]:
        """Make the axes logarithmic around `x` and all values, and write the names; the limits of y."""
        low, high = self.figure.log_axes(x, self.values or [1.0], room=ROOM)
        self.figure.name_ends(self.ends, low, high, log=True)
        return low, high
