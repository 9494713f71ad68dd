"""The marks of a still plot as SVG: lines, points, whiskers, bars, cells. Colours come painted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pages.ui.lab.still.axis import Axis
from pages.ui.lab.still.bars import Bar, is_flat
from pages.ui.lab.still.text import SIZE, Text, width_of

_DASHES = {"dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}
_INK = "currentColor"
_OPEN = "-open"
_AWAY = 6.0
"""Pixels between a mark and its text."""
_SHAPES = {
    "square": "M-1-1H1V1H-1Z",
    "diamond": "M0-1.3L1.3 0L0 1.3L-1.3 0Z",
    "triangle-up": "M0-1.2L1.2 .9H-1.2Z",
    "star": "M0-1.4L.4-.4L1.4-.4L.6 .3L.9 1.3L0 .7L-.9 1.3L-.6 .3L-1.4-.4L-.4-.4Z",
    "cross": "M-.4-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
}
_STROKES = {"x": "M-1-1L1 1M-1 1L1-1", "line-ns": "M0-1V1", "line-ew": "M-1 0H1"}


@dataclass(frozen=True)
class Field:
    """Both axes of a plot."""

    x: Axis
    y: Axis

    def at(self, x: Any, y: Any) -> tuple[float, float] | None:
        """Where a point stands; None for one without a place."""
        across, down = self.x.at(x), self.y.at(y)
        return None if across is None or down is None else (across, down)


def scatter(trace: Mapping[str, Any], field: Field) -> tuple[list[str], list[Text]]:
    """Lines and points of a trace, and its texts."""
    mode = trace.get("mode", "lines")
    points = [field.at(x, y) for x, y in zip(trace["x"], trace["y"], strict=True)]
    drawn = [*_whiskers(trace, points, field)]
    if "lines" in mode:
        drawn += _line(trace, points)
    if "markers" in mode:
        drawn += _points(trace, points)
    return drawn, list(_texts(trace, points)) if "text" in mode else []


def symbol(name: str, x: float, y: float, size: float, colour: str, opacity: float = 1.0) -> str:
    """One point; a name that ends in "-open" is hollow, and a shape that is not known is a circle."""
    shape, hollow = name.removesuffix(_OPEN), name.endswith(_OPEN)
    pale = f' opacity="{opacity:g}"' if opacity != 1 else ""
    if shape in _STROKES:
        look = f'fill="none" stroke="{colour}" stroke-width="{4 / size:.2f}"'
        path = _STROKES[shape]
    else:
        look = f'fill="{"none" if hollow else colour}" stroke="{colour}" stroke-width="{3 / size:.2f}"'
        path = _SHAPES.get(shape, "M-1 0A1 1 0 1 1 1 0A1 1 0 1 1-1 0Z")
    return f'<path d="{path}" transform="translate({x:.1f} {y:.1f}) scale({size / 2:g})" {look}{pale}/>'


def stroke(line: Mapping[str, Any]) -> str:
    """The attributes of a painted line."""
    dash = _DASHES.get(line.get("dash", ""), "")
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'fill="none" stroke="{line.get("color", _INK)}" stroke-width="{line.get("width", 2):g}"{dashed}'


def bar(trace: Mapping[str, Any], one: Bar, field: Field) -> tuple[list[str], list[Text]]:
    """One bar with its whisker and its text."""
    flat = is_flat(trace)
    along, across = (field.x, field.y) if flat else (field.y, field.x)
    start, end = _on_scale(along, one.start), _on_scale(along, one.end)
    near, far = sorted((across.pixel(one.place - one.width / 2), across.pixel(one.place + one.width / 2)))
    low, high = sorted((start, end))
    box = (low, near, high - low, far - near) if flat else (near, low, far - near, high - low)
    opacity = each(trace.get("marker", {}).get("opacity", trace.get("opacity", 1)), one.index)
    drawn = [_rectangle(box, trace.get("marker", {}), opacity)] if opacity else []
    middle = (near + far) / 2
    drawn += _error(trace, one, along, middle, flat)
    text = each(trace.get("text"), one.index)
    return drawn, [_bar_text(trace, str(text), (start, end), middle, flat)] if text else []


def cells(trace: Mapping[str, Any], field: Field) -> Iterator[str]:
    """The cells of a heat map, the largest value the strongest."""
    known = [value for row in trace["z"] for value in row if value is not None]
    low, high = trace.get("zmin", min(known, default=0)), trace.get("zmax", max(known, default=1))
    (_, pale), (_, strong) = trace["colorscale"]
    del pale
    colour, most = _plain_colour(strong)
    for y, row in zip(trace["y"], trace["z"], strict=True):
        for x, value in zip(trace["x"], row, strict=True):
            place = field.at(x, y)
            if value is None or place is None:
                continue
            share = min(max((value - low) / ((high - low) or 1), 0.0), 1.0)
            width, height = _cell_size(trace, field)
            yield (
                f'<rect x="{place[0] - width / 2:.1f}" y="{place[1] - height / 2:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" fill="{colour}" fill-opacity="{0.05 + share * (most - 0.05):.3f}"/>'
            )


def each(value: Any, index: int) -> Any:
    """The one of a list, or what holds for all."""
    return value[index] if isinstance(value, list) else value


def _line(trace: Mapping[str, Any], points: Sequence[tuple[float, float] | None]) -> Iterator[str]:
    """A path for every stretch without a gap."""
    stairs = trace.get("line", {}).get("shape") == "hv"
    path, before = "", None
    for point in points:
        if point is not None:
            corner = f"H{point[0]:.1f}V{point[1]:.1f}" if stairs else f"L{point[0]:.1f} {point[1]:.1f}"
            path += corner if before is not None else f"M{point[0]:.1f} {point[1]:.1f}"
        before = point
    if path:
        yield f'<path d="{path}" {stroke(trace.get("line", {}))}/>'


def _points(trace: Mapping[str, Any], points: Sequence[tuple[float, float] | None]) -> Iterator[str]:
    marker = trace.get("marker", {})
    opacity = marker.get("opacity", trace.get("opacity", 1.0))
    for index, point in enumerate(points):
        size = each(marker.get("size", 6), index)
        if point is not None and size:
            name = str(each(marker.get("symbol", "circle"), index))
            yield symbol(name, *point, size, marker.get("color", _INK), each(opacity, index))


def _texts(trace: Mapping[str, Any], points: Sequence[tuple[float, float] | None]) -> Iterator[Text]:
    size = trace.get("textfont", {}).get("size", SIZE)
    for index, point in enumerate(points):
        text = each(trace.get("text"), index)
        if point is None or not text:
            continue
        up, _, side = str(each(trace.get("textposition", "middle center"), index)).partition(" ")
        away = _AWAY / 2
        if "markers" in trace.get("mode", ""):
            away += each(trace.get("marker", {}).get("size", 6), index) / 2
        x = point[0] + {"left": -1, "right": 1}.get(side, 0) * away
        y = point[1] + {"top": -1, "bottom": 1}.get(up, 0) * (away + size * 0.65)
        yield Text(x, y, str(text), {"left": "end", "right": "start"}.get(side, "middle"), size=size)


def _whiskers(
    trace: Mapping[str, Any], points: Sequence[tuple[float, float] | None], field: Field
) -> Iterator[str]:
    for name, axis in (("error_x", field.x), ("error_y", field.y)):
        for index, point in enumerate(points) if name in trace else ():
            value = trace[name[-1]][index]
            if point is not None and value is not None:
                yield _whisker(trace, name, axis, value, index, point[1 if axis is field.x else 0])


def _error(trace: Mapping[str, Any], one: Bar, along: Axis, middle: float, flat: bool) -> list[str]:
    name = "error_x" if flat else "error_y"
    return [_whisker(trace, name, along, one.end, one.index, middle)] if name in trace else []


def _whisker(
    trace: Mapping[str, Any], name: str, along: Axis, value: float, index: int, middle: float
) -> str:
    up, down = trace[name]["array"][index], trace[name].get("arrayminus", trace[name]["array"])[index]
    low, high = _on_scale(along, value - (down or 0)), _on_scale(along, value + (up or 0))
    path = (
        f"M{low:.1f} {middle - 4:.1f}v8M{low:.1f} {middle:.1f}H{high:.1f}m0-4v8"
        if name == "error_x"
        else f"M{middle - 4:.1f} {low:.1f}h8M{middle:.1f} {low:.1f}V{high:.1f}m-4 0h8"
    )
    return f'<path d="{path}" class="spread"/>'


def _on_scale(axis: Axis, value: float) -> float:
    """Where a length ends; what has no place on a logarithmic axis ends at its edge."""
    place = axis.at(value)
    return axis.ends[0] if place is None else place


def _rectangle(box: tuple[float, float, float, float], marker: Mapping[str, Any], opacity: float) -> str:
    """A bar; one that is painted with a pattern is pale with a dashed edge."""
    x, y, width, height = box
    colour = marker.get("color", _INK)
    look = f'fill="{colour}"'
    if "pattern" in marker:
        own = marker["pattern"]["fgcolor"]
        look = f'fill="{own}" fill-opacity="0.2" stroke="{own}" stroke-dasharray="4 2"'
    pale = f' opacity="{opacity:g}"' if opacity != 1 else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {look}{pale}/>'


def _bar_text(
    trace: Mapping[str, Any], text: str, ends: tuple[float, float], middle: float, flat: bool
) -> Text:
    """At the end of its bar, or in its middle; what does not fit in there stays out of it."""
    start, end = ends
    inside = trace.get("textposition") == "inside"
    if inside and flat and width_of(text) > abs(end - start):
        return Text(start, middle, "", "start")
    if inside:
        x, y = ((start + end) / 2, middle) if flat else (middle, (start + end) / 2)
        return Text(x, y, text, "middle", "on")
    if flat:
        return Text(end + (5 if end >= start else -5), middle, text, "start" if end >= start else "end")
    lines = 1 + text.count("<br>")
    return Text(
        middle, end - lines * SIZE * 0.75 if end <= start else end + lines * SIZE * 0.75, text, "middle"
    )


def _cell_size(trace: Mapping[str, Any], field: Field) -> tuple[float, float]:
    sizes = []
    for name, axis in (("x", field.x), ("y", field.y)):
        places = sorted({place for value in trace[name] if (place := axis.at(value)) is not None})
        apart = [after - before for before, after in itertools.pairwise(places)]
        sizes.append(max(1.0, min(apart, default=abs(axis.ends[1] - axis.ends[0])) - 2))
    return sizes[0], sizes[1]


def _plain_colour(colour: str) -> tuple[str, float]:
    """Of "rgba(21,154,99,0.6)" the colour without its strength, and this."""
    red, green, blue, alpha = colour.removeprefix("rgba(").removesuffix(")").split(",")
    return f"rgb({red},{green},{blue})", float(alpha)
