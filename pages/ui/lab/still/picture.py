"""A painted figure as one SVG: the plot of the page without its script, for a document that stands alone.

Draws what the figures of our labs hold and no more: lines, points, bars, heat maps, notes, a legend; not a
treemap, nor what moves. Ink is the document's own, so that one picture serves light, dark and paper.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pages.ui.lab.still.axis import Axis, axis_of
from pages.ui.lab.still.bars import Bar, bars_of, is_flat
from pages.ui.lab.still.marks import Field, bar, cells, each, scatter, stroke, symbol
from pages.ui.lab.still.text import LINE, SIZE, Text, width_of, wrapped

WIDTH = 680
"""Pixels of the whole picture."""
_EDGE, _TICK, _ROW = 6.0, 8.0, 22.0
_ROUNDS = 3
"""Of drawing until the texts have room: a narrower plot may take more lines."""
_KEY = 26.0
"""Pixels of a legend's sample and the space around it."""
Margins = tuple[float, float, float, float]


def is_drawable(figure: Mapping[str, Any]) -> bool:
    """Whether a figure holds only what is drawn here."""
    return all(trace["type"] in ("scatter", "bar", "heatmap") for trace in figure["data"])


def svg(figure: Mapping[str, Any], alt: str, *, height: float) -> str:
    """The picture of a painted figure whose plot is about `height` pixels high; `alt` says what it shows."""
    plot = _Plot(figure, height)
    around = (_EDGE, _EDGE, WIDTH - _EDGE, height)
    for _ in range(_ROUNDS):
        around = _with_room(plot.drawn(around)[1], around)
    drawn, texts = plot.drawn(around)
    boxes = [text.box for text in texts]
    bottom = max(around[3], *(box[3] for box in boxes)) + _EDGE
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom:.0f}" role="img" aria-label="{html.escape(alt)}">'
        f"{''.join(drawn)}{''.join(text.svg() for text in texts if text.text)}</svg>"
    )


def _with_room(texts: list[Text], around: Margins) -> Margins:
    """Where the plot may begin and end, so that the texts that a drawing within `around` had have room.

    Bottom stays: the picture grows below.
    """
    left, top, right, bottom = around
    boxes = [text.box for text in texts if text.text]
    left += max(0.0, *(_EDGE - box[0] for box in boxes))
    right -= max(0.0, *(box[2] - WIDTH + _EDGE for box in boxes))
    over = max(0.0, *(_EDGE - box[1] for box in boxes))
    return left, top + over, right, bottom + over


@dataclass
class _Plot:
    figure: Mapping[str, Any]
    height: float

    def drawn(self, around: Margins) -> tuple[list[str], list[Text]]:
        """Shapes and texts, the plot itself between these margins: left, top, right, bottom."""
        x, y, bars = _axes(self.figure)
        left, top, right, bottom = around
        field = Field(x.between(left, right), y.between(bottom, top))
        parts = [_trace(index, trace, bars, field) for index, trace in enumerate(self.figure["data"])]
        on = any(trace["type"] == "heatmap" for trace in self.figure["data"])
        texts = [replace(text, look="on") if on else text for _, said in parts for text in said]
        box = f"{left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}"
        x_, y_, width, height = box.split()
        inside = "".join(shape for more, _ in parts for shape in more)
        shapes = [
            *_grid(field),
            f'<svg x="{x_}" y="{y_}" width="{width}" height="{height}" viewBox="{box}">{inside}</svg>',
        ]
        texts += _notes(self.figure["layout"], field)
        texts += _ticks(field)
        samples, names = _legend(self.figure, left, top)
        above = min([top, *(text.box[1] for text in names)])
        if y.title and not y.hidden:
            texts.append(Text(left, above - SIZE, y.title, "start", "soft"))
        return shapes + samples, texts + names


def _axes(figure: Mapping[str, Any]) -> tuple[Axis, Axis, list[Bar]]:
    """Both axes over all that is drawn, and the bars, whose lengths are known by their places."""
    layout, data = figure["layout"], figure["data"]
    flat = any(is_flat(trace) for trace in data if trace["type"] == "bar")
    places, lengths = ("y", "x") if flat else ("x", "y")
    place_axis = axis_of(layout.get(f"{places}axis", {}), _values(data, places))
    bars = bars_of(figure, place_axis.coordinate)
    edges = [edge for one in bars for edge in (one.place - one.width / 2, one.place + one.width / 2)]
    place_axis = axis_of(layout.get(f"{places}axis", {}), _values(data, places), edges)
    ends = [*_values(data, lengths), *(one.end for one in bars)]
    length_axis = axis_of(layout.get(f"{lengths}axis", {}), ends, from_zero=bool(bars))
    x, y = (length_axis, place_axis) if flat else (place_axis, length_axis)
    return x, y, bars


def _values(data: list[Mapping[str, Any]], name: str) -> list[Any]:
    """All values on an axis, with the ends of whiskers; those of cells at the edges of what they cover."""
    found: list[Any] = []
    for trace in data:
        values = list(trace[name])
        found += values
        if f"error_{name}" in trace:
            error = trace[f"error_{name}"]
            pairs = zip(values, error["array"], error.get("arrayminus", error["array"]), strict=True)
            found += [
                end for value, up, down in pairs if value is not None for end in (value - down, value + up)
            ]
        if trace["type"] == "heatmap" and len(values) > 1 and not isinstance(values[0], str):
            half = (values[1] - values[0]) / 2
            found += [values[0] - half, values[-1] + half]
    return found


def _trace(
    index: int, trace: Mapping[str, Any], bars: list[Bar], field: Field
) -> tuple[list[str], list[Text]]:
    if trace["type"] == "heatmap":
        return list(cells(trace, field)), []
    if trace["type"] == "scatter":
        return scatter(trace, field)
    parts = [bar(trace, one, field) for one in bars if one.trace == index]
    return [shape for shapes, _ in parts for shape in shapes], [text for _, texts in parts for text in texts]


def _grid(field: Field) -> Iterator[str]:
    (left, right), (bottom, top) = field.x.ends, field.y.ends
    for axis in (field.x, field.y):
        for place, _ in axis.ticks if not axis.hidden and axis.kind != "category" else ():
            if axis.seen(place):
                at = axis.pixel(place)
                path = (
                    f"M{at:.1f} {top:.1f}V{bottom:.1f}"
                    if axis is field.x
                    else f"M{left:.1f} {at:.1f}H{right:.1f}"
                )
                yield f'<path class="grid" d="{path}"/>'


def _ticks(field: Field) -> Iterator[Text]:
    """Texts of the ticks and below them the title of the horizontal axis."""
    (left, right), bottom = field.x.ends, field.y.ends[0]
    for place, said in () if field.y.hidden else field.y.ticks:
        if field.y.seen(place):
            yield Text(left - _TICK, field.y.pixel(place), said, "end", "soft")
    low = bottom
    for text in () if field.x.hidden else _along(field.x, bottom):
        low = max(low, text.box[3])
        yield text
    if field.x.title and not field.x.hidden:
        title = wrapped(field.x.title, right - left)
        half = (1 + title.count("<br>")) * SIZE * LINE / 2
        yield Text((left + right) / 2, low + 4 + half, title, "middle", "soft")


def _along(axis: Axis, bottom: float) -> list[Text]:
    """Texts below the axis, in lines as wide as their places are apart; where they still meet, fewer."""
    seen = [(axis.pixel(place), text) for place, text in axis.ticks if axis.seen(place)]
    apart = min((abs(after[0] - before[0]) for before, after in itertools.pairwise(seen)), default=WIDTH)
    texts = []
    for at, text in seen:
        lines = wrapped(text, max(apart - 8, 40)) if width_of(text) > apart - 8 and "<" not in text else text
        half = (1 + lines.count("<br>")) * SIZE * LINE / 2
        texts.append(Text(at, bottom + _TICK + half, lines, "middle", "soft"))
    for every in range(1, max(len(texts), 1)):
        boxes = [text.box for text in texts[::every]]
        if all(one[2] + 4 <= other[0] for one, other in itertools.pairwise(boxes)):
            return texts[::every]
    return texts[:1]


def _notes(layout: Mapping[str, Any], field: Field) -> Iterator[Text]:
    """Plotly's annotations: at coordinates, with its shifts."""
    anchors = {"left": "start", "right": "end"}
    for note in layout.get("annotations", []):
        x, y = field.x.pixel(_number(field.x, note["x"])), field.y.pixel(_number(field.y, note["y"]))
        if note.get("showarrow", True):
            x, y = x + note.get("ax", 0), y + note.get("ay", 0)
        size = note.get("font", {}).get("size", SIZE)
        half = (1 + note["text"].count("<br>")) * size * LINE / 2
        y -= note.get("yshift", 0) + {"bottom": half, "top": -half}.get(note.get("yanchor", ""), 0.0)
        anchor = anchors.get(note.get("xanchor", ""), "middle")
        yield Text(x + note.get("xshift", 0), y, note["text"], anchor, size=size)


def _number(axis: Axis, value: Any) -> float:
    """A note's coordinate; the name of a category is its index."""
    found = axis.coordinate(value) if isinstance(value, str) else None
    return float(value) if found is None else found


def _legend(figure: Mapping[str, Any], left: float, top: float) -> tuple[list[str], list[Text]]:
    """Samples with their names in rows above the plot, where there are several."""
    layout, traces = figure["layout"], figure["data"]
    named = [trace for trace in traces if trace.get("name") and trace.get("showlegend", True)]
    wanted = layout.get("showlegend", len(traces) > 1 or any(trace.get("showlegend") for trace in named))
    if not wanted or not named:
        return [], []
    rows: list[list[Mapping[str, Any]]] = [[]]
    used = left
    for trace in named:
        width = _KEY + width_of(trace["name"]) + 18
        if rows[-1] and used + width > WIDTH - _EDGE:
            rows.append([])
            used = left
        rows[-1].append(trace)
        used += width
    shapes, texts = [], []
    for index, row in enumerate(rows):
        x, y = left, top - _ROW * (len(rows) - index)
        for trace in row:
            shapes.append(_sample(trace, x, y))
            texts.append(Text(x + _KEY, y, trace["name"], "start"))
            x += _KEY + width_of(trace["name"]) + 18
    return shapes, texts


def _sample(trace: Mapping[str, Any], x: float, y: float) -> str:
    if trace["type"] != "scatter":
        marker = trace.get("marker", {})
        hatched = "pattern" in marker
        colour = marker["pattern"]["fgcolor"] if hatched else marker.get("color", "currentColor")
        edge = f' fill-opacity="0.2" stroke="{colour}" stroke-dasharray="4 2"' if hatched else ""
        opacity = each(marker.get("opacity", trace.get("opacity", 1)), 0)
        return (
            f'<rect x="{x + 4:.1f}" y="{y - 6:.1f}" width="14" height="12" fill="{colour}"{edge} '
            f'opacity="{opacity:g}"/>'
        )
    mode, marker, drawn = trace.get("mode", "lines"), trace.get("marker", {}), ""
    if "lines" in mode:
        drawn = f'<path d="M{x:.1f} {y:.1f}h20" {stroke(trace.get("line", {}))}/>'
    if "markers" in mode:
        name = str(each(marker.get("symbol", "circle"), 0))
        drawn += symbol(name, x + 10, y, 7, marker.get("color", "currentColor"))
    return drawn
