"""The plots of the length bench, of a finished run or of one under way. Seeds share symbols and axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial

from labs.contract import Words
from labs.contract.drawing import LABEL_SIZE, Figure, round_ticks
from labs.q07_rope.length_summary import LengthSummary, StoredRun
from labs.tools.named_lines import NamedLines

KINDS = {
    "rope": "circle",
    "rope_1e4": "circle-open",
    "learned": "x",
    "learned_longer": "x-thin-open",
    "sinusoidal": "square",
    "alibi": "diamond",
    "none": "triangle-up",
}
"""The symbol of each kind of positions."""
TREATED = {
    "pi": "square",
    "ntk": "triangle-up",
    "yarn": "diamond",
    "upstream": "diamond-open",
    "window": "star",
    "shifted": "cross",
}
BY_POSITION = ("learned_longer", "pi", "yarn", "window")
"""Beside the untreated model; more lines than this nobody could follow."""
NAME_HEIGHTS = {"learned": -150, "shifted": 28}
"""Lines that end before the others, and the pixels below their ends at which they are named."""
GREY = "rgba(139, 135, 129, 0.8)"


def length_figures(result: LengthSummary, stored: StoredRun | None, text: Words) -> dict[str, Figure]:
    """`kinds` of positions: perplexity over length; `treatments` of one model; `position` in a chunk.

    Kinds are drawn where there are several, positions at the end of a run; `stored` continues the lines.
    """
    base, figures = result["base"], {}
    if result["perplexity"].keys() & (KINDS.keys() - {base}):
        figures["kinds"] = _over_length(result, stored, KINDS, text)
    figures["treatments"] = _over_length(result, stored, {base: KINDS[base], **TREATED}, text)
    if result.get("by_position"):
        figures["position"] = _over_position(result, text)
    return figures


def length_axis(figure: Figure, lengths: Iterable[int], text: Words) -> None:
    """Name the lengths that were read on a logarithmic axis."""
    figure.x_axis(text("axis.length"), ticks={length: f"{length:,}" for length in sorted(set(lengths))})


def _over_length(
    result: LengthSummary, stored: StoredRun | None, symbols: Mapping[str, str], text: Words
) -> Figure:
    """The perplexity of the lines that have a symbol."""
    figure, lengths = Figure(), list(result["lengths"])
    lines, known = NamedLines(figure), {line: _points(result, line) for line in symbols}
    for line, points in known.items():
        if not points:
            continue
        name, later = text(f"row.{line}"), _stored_points(stored, line)
        draw = partial(lines.draw, symbol=symbols[line], showlegend=False)
        end = None if later or line in NAME_HEIGHTS else name
        draw(points, "measured", end, size=10, hover=f"{name}<br>%{{x:,}}: %{{y:.4g}}")
        if later:
            joined = {max(points): points[max(points)], **later}
            draw(joined, "recorded", name, size=8, hover="%{x:,}: %{y:.4g}")
            lengths += later
    low, high = lines.fit(lengths)
    for line in NAME_HEIGHTS:
        if known.get(line):
            _name_short_line(figure, line, max(known[line].items()), result, text)
    length_axis(figure, lengths, text)
    figure.y_axis(text("axis.perplexity"), ticks=round_ticks(low, high))
    return figure


def _points(result: LengthSummary, line: str) -> dict[int, float]:
    """Perplexity by length. A treatment that depends on the length starts as the untreated model."""
    trained, perplexity = result["trained"], result["perplexity"]
    points = {int(length): value for length, value in perplexity.get(line, {}).items()}
    if points and line in TREATED:
        points = {trained: perplexity[result["base"]][str(trained)], **points}
    return points


def _stored_points(stored: StoredRun | None, line: str) -> dict[int, float]:
    if stored is None:
        return {}
    by_length = stored["perplexity"].get(line, {})
    return {length: by_length[str(length)] for length in stored["lengths"] if str(length) in by_length}


def _name_short_line(
    figure: Figure, line: str, end: tuple[int, float], result: LengthSummary, text: Words
) -> None:
    """Below or above its end; a learned table says what reading on did."""
    table_end, label = result.get("table_end"), text(f"row.{line}")
    if line == "learned" and table_end is not None and table_end["error"]:
        label = text("past_table", **table_end)
    figure.note(
        math.log10(end[0]),
        math.log10(end[1]),
        label,
        ax=8,
        ay=NAME_HEIGHTS[line],
        xanchor="left",
        arrowwidth=1,
        arrowcolor=GREY,
        standoff=6,
        font={"size": LABEL_SIZE},
    )


def _over_position(result: LengthSummary, text: Words) -> Figure:
    """The loss along the longest chunks, and where the trained length ends."""
    figure, losses, ends = Figure(), result["by_position"], []
    for line in (result["base"], *BY_POSITION):
        if line in losses:
            name = text(f"row.{line}")
            figure.line(
                losses[line]["position"],
                losses[line]["nats"],
                "measured",
                name,
                symbol=(KINDS | TREATED)[line],
                size=7,
                showlegend=False,
                hover=f"{name}<br>%{{x:,}}: %{{y:.3f}}",
            )
            ends.append((int(losses[line]["position"][-1]), float(losses[line]["nats"][-1]), name))
    top = 1.05 * max(float(loss["nats"].max()) for loss in losses.values())
    figure.name_ends(ends, 0, top, log=False)
    figure.line([result["trained"]] * 2, [0, top], "peer", text("trained"))
    figure.x_axis(text("axis.position"), span=(0, 1.3 * max(end for end, _, _ in ends)))
    figure.y_axis(text("axis.nats"), span=(0, top))
    return figure
