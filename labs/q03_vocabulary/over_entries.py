"""Lines over the entries of our vocabularies, each with a mark of its own and named at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labs.contract.drawing import Figure
from labs.q03_vocabulary.shipped import ByTokenizer


def draw_lines(
    figure: Figure,
    entries: Sequence[int],
    curves: Mapping[str, ByTokenizer],
    symbols: Mapping[str, str],
    hover: str,
    names: Mapping[str, str],
) -> list[tuple[float, float, str]]:
    """A line for each of `curves` with its symbol and name; returns their named ends, for `name_ends`."""
    ends: list[tuple[float, float, str]] = []
    for key, curve in curves.items():
        values, symbol = list(curve.values()), symbols[key]
        figure.line(
            entries, values, "measured", names[key], symbol=symbol, size=9, hover=hover, showlegend=False
        )
        ends.append((entries[-1], values[-1], names[key]))
    return ends
