"""Lines on logarithmic axes, each named at its end: most of our plots over a length or a position."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from labs.contract.drawing import Figure, Role

ROOM = 0.45
"""Share of the width that is left for the names."""


class NamedLines:
    """Draws lines into a figure, and fits its axes to them when all are drawn.

    lines = NamedLines(figure, also=[1.0])      # values that lie within the axis in any case
    lines.draw(lengths, losses, "measured", text("rope"), symbol="circle")
    low, high = lines.fit(lengths)
    """

    def __init__(self, figure: Figure, also: Iterable[float] = ()) -> None:
        self.figure, self.values = figure, list(also)
        self.ends: list[tuple[float, float, str]] = []

    def draw(
        self, x: Sequence[Any], y: Sequence[float | None], role: Role, end: str | None = None, **line: Any
    ) -> None:
        """A line, named `end` unless its last value is missing; `line` are the options of `Figure.line`."""
        self.figure.line(x, y, role, **line)
        self.values += [value for value in y if value is not None]
        if end is not None and y[-1] is not None:
            self.ends.append((x[-1], y[-1], end))

    def fit(self, x: Iterable[float]) -> tuple[float, float]:
        """Make the axes logarithmic around `x` and all values, and write the names; the limits of y."""
        low, high = self.figure.log_axes(x, self.values or [1.0], room=ROOM)
        self.figure.name_ends(self.ends, low, high, log=True)
        return low, high
