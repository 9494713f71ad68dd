"""Figures as plain data, so that all labs look alike and a slider's step costs no checking of values.

    figure = Figure()
    figure.line(batches, speedups, "formula", text("byte_model"), hover="%{x}: %{y:.2f}×")
    figure.marks(batches, medians, "measured", text("measured"), error=error_bars(medians, quartiles))
    figure.x_axis(text("axis.batch"), log=True, ticks=batch_ticks)

A `Figure` holds what plotly.js reads: traces and a layout, in plotly's own property names, of which any
others can be given as keywords. Every trace says what it means by its role and has no colour: the page paints
by role, so that a colour means the same everywhere and in both themes. Imports no plotly; a test hands every
drawn figure to plotly's own validation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

import numpy as np

from labs.contract.figure_data import plain
from labs.contract.filling import readable
from labs.contract.labels import LABEL_GAP, spread_labels

Role = Literal["predicted", "formula", "measured", "recorded", "said", "peer", "removed"]
"""What a trace means: `said` is what is commonly said, `removed` what a filter cut off."""
Values = Sequence[Any] | np.ndarray
"""Numbers or categories along an axis; None leaves a gap."""

LABEL_SIZE = 13
_OUTSIDE = {"textposition": "outside", "cliponaxis": False}
"""Where a bar's label stands."""


class Area(TypedDict):
    """A rectangle among others, named by `id`: its label, its value, a text below the label."""

    id: str
    label: str
    parent: str
    """The id of the part that holds it; "" for none."""
    value: float
    text: str
    role: NotRequired[Role]


class Figure:
    """A plot under construction. The methods add to it and return nothing; `data` and `layout` are public.

    `height` is in pixels; None leaves it to the page. `barmode` is "group", "stack" or "overlay".
    """

    def __init__(self, *, height: int | None = None, barmode: str | None = None) -> None:
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = _given(height=height, barmode=barmode)
        self.frames: list[dict[str, Any]] = []

    @property
    def height(self) -> int | None:
        """The height in pixels that the lab asks for."""
        return self.layout.get("height")

    def line(
        self,
        x: Values,
        y: Values,
        role: Role,
        name: str | None = None,
        *,
        hover: str | None = None,
        symbol: str | Sequence[str] | None = None,
        size: int | None = None,
        width: float | None = None,
        shape: str | None = None,
        **more: Any,
    ) -> None:
        """A line through points, marked with `symbol` or `size`; `shape` "hv" is a staircase.

        Texts stand at `textposition`, and may reach over the edge of the plot.
        """
        marker = {**_given(symbol=symbol, size=size), **more.pop("marker", {})}
        mode = more.pop("mode", "lines+markers" if marker else "lines")
        if more.get("text") is not None and "textposition" in more:
            mode, more = mode + "+text", {"cliponaxis": False, **more}
        look = {"mode": mode, "marker": marker, "line": _given(width=width, shape=shape)}
        self._add("scatter", role, hover, {"x": x, "y": y, "name": name, **look, **more})

    def marks(self, x: Values, y: Values, role: Role, name: str | None = None, **look: Any) -> None:
        """Points that no line joins; `look` is as for `line`."""
        self.line(x, y, role, name, mode="markers", **look)

    def words(self, x: Values, y: Values, texts: Sequence[str], **more: Any) -> None:
        """Texts at points, in the page's own ink: without role, mark or hover."""
        trace = {"x": x, "y": y, "text": texts, "showlegend": False, "hoverinfo": "skip", **more}
        self.data.append({"type": "scatter", "mode": "text", **plain(trace)})

    def bars(
        self,
        x: Values,
        y: Values,
        role: Role,
        name: str | None = None,
        *,
        labels: str | Sequence[str] | None = None,
        inside: bool = False,
        horizontal: bool = False,
        hover: str | None = None,
        **more: Any,
    ) -> None:
        """Bars with `labels` at their ends, in their middle if `inside`: texts, or a template for sizes."""
        if isinstance(labels, str):
            labels = [labels.format(readable(size)) for size in (x if horizontal else y)]
        bars = {"x": x, "y": y, "orientation": "h" if horizontal else None, **more}
        if labels is None:
            self._add("bar", role, hover, {"name": name, **bars})
        elif inside:
            looks = {"textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
            self._add("bar", role, hover, {"name": name, "text": labels, **looks, **bars})
        elif "error_x" in more or "error_y" in more:
            alone = {"offsetgroup": str(len(self.data)), "showlegend": None if name else False}
            self._add("bar", role, hover, {"name": name, **alone, **bars})
            self._name_whiskers(labels, role, bars)
        else:
            self._add("bar", role, hover, {"name": name, "text": labels, **_OUTSIDE, **bars})

    def _name_whiskers(self, labels: Sequence[str], role: Role, bars: dict[str, Any]) -> None:
        """Write labels beyond the whiskers of the bars added last, as those of unseen bars that end there."""
        length = "x" if bars["orientation"] else "y"
        upwards = bars.pop(f"error_{length}")["array"]
        bars[length] = [size + up for size, up in zip(bars[length], upwards, strict=True)]
        bars |= {"text": labels, **_OUTSIDE, "marker": {"opacity": 0}, "showlegend": False}
        self._add("bar", role, None, {"offsetgroup": self.data[-1]["offsetgroup"], **bars})

    def heat(self, z: Any, x: Values, y: Values, role: Role, *, hover: str, **more: Any) -> None:
        """Cells shaded by z [len(y), len(x)]; None leaves a hole."""
        self._add("heatmap", role, hover, {"z": z, "x": x, "y": y, "xgap": 2, "ygap": 2, **more})

    def areas(self, parts: Sequence[Area], role: Role, *, hover: str) -> None:
        """Rectangles as large as their values, within those that hold them (a treemap); alone in its figure.

        A part that holds others has the sum of their values. `role` is that of parts without one of their
        own. Names that do not fit stay out, so a table has to have them too.
        """
        names = {name: f"{name}s" for name in ("id", "label", "parent", "value")} | {"text": "text"}
        columns = {many: [part[one] for part in parts] for one, many in names.items()}  # type: ignore[literal-required]
        self._add("treemap", role, hover, {**columns, "branchvalues": "total", "sort": False})
        self.data[-1]["meta"]["roles"] = [part.get("role", role) for part in parts]

    def x_axis(self, title: str | None = None, **settings: Any) -> None:
        """Title, scale and ticks of the horizontal axis; see `axis`."""
        self._axis("xaxis", title, settings)

    def y_axis(self, title: str | None = None, **settings: Any) -> None:
        """Title, scale and ticks of the vertical axis; see `axis`."""
        self._axis("yaxis", title, settings)

    def log_axes(self, xs: Iterable[float], ys: Iterable[float], *, room: float) -> tuple[float, float]:
        """Make both axes logarithmic around the data, with a share `room` more on the right for names.

        Returns the limits of y.
        """
        left, right = _limits(xs)
        bottom, top = _limits(ys)
        low, high = bottom / 1.3, top * 1.3
        start, end = math.log10(left), math.log10(right)
        width = max(end - start, 0.3)
        self.x_axis(log=True, span=(start - 0.04 * width, end + room * width))
        self.y_axis(log=True, span=(math.log10(low), math.log10(high)))
        return low, high

    def note(self, x: float, y: float, text: str, **more: Any) -> None:
        """A text at a point; on a logarithmic axis its coordinate is the logarithm."""
        self.layout.setdefault("annotations", []).append(plain({"x": x, "y": y, "text": text, **more}))

    def name_ends(
        self, ends: Sequence[tuple[float, float, str]], low: float, high: float, *, log: bool
    ) -> None:
        """Write each text right of its end (x, y) of a line, apart from the others; y spans low to high.

        `log`: both axes are logarithmic.
        """
        scale = math.log10 if log else float
        heights = spread_labels([scale(y) for _, y, _ in ends], LABEL_GAP * (scale(high) - scale(low)))
        for (x, _, text), y in zip(ends, heights, strict=True):
            self.note(
                scale(x), y, text, showarrow=False, xanchor="left", xshift=10, font={"size": LABEL_SIZE}
            )

    def play(
        self, frames: Mapping[str, Sequence[Mapping[str, Any]]], traces: Sequence[int], label: str
    ) -> None:
        """Frames by name, each with new data for the traces of these indices; `label` is the button's."""
        self.frames = [
            {
                "name": name,
                "traces": list(traces),
                "data": [{"type": "scatter", **plain(dict(item))} for item in data],
            }
            for name, data in frames.items()
        ]
        self.layout["meta"] = {"play": label}

    def drag(self, field: str, label: str) -> None:
        """Let the line drawn last, an upright one, be dragged along x: it sets the field of that name.

        `label` is its text, with {value} where the number stands. A slider is still needed: no key drags.
        """
        self.layout["meta"] = {"drag": {"field": field, "trace": len(self.data) - 1, "label": label}}
        self.layout["dragmode"] = False

    def to_dict(self) -> dict[str, Any]:
        """What plotly.js reads; the parts are shared with the figure."""
        return {"data": self.data, "layout": self.layout, **({"frames": self.frames} if self.frames else {})}

    def _add(self, kind: str, role: Role, hover: str | None, properties: dict[str, Any]) -> None:
        """Without a hover template a trace says nothing under the pointer."""
        says = {"hoverinfo": "skip"} if hover is None else {"hovertemplate": hover + "<extra></extra>"}
        known = plain(properties)
        filled = {name: value for name, value in known.items() if value is not None and value != {}}
        self.data.append({"type": kind, "meta": {"role": role}, **says, **filled})

    def _axis(self, name: str, title: str | None, settings: dict[str, Any]) -> None:
        axis = self.layout.setdefault(name, {})
        axis |= plain(axis_settings(**settings))
        if title is not None:
            axis["title"] = {"text": title}


def axis_settings(
    *,
    log: bool = False,
    category: bool = False,
    ticks: Mapping[float, str] | None = None,
    span: tuple[float, float] | None = None,
    hidden: bool = False,
    reverse: bool = False,
    from_zero: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """An axis in plotly's words. `ticks` are texts by value; `span` is its range, exponents if `log`."""
    settings: dict[str, Any] = dict(more)
    if log or category:
        settings["type"] = "log" if log else "category"
    if ticks is not None:
        settings |= {"tickvals": list(ticks), "ticktext": list(ticks.values())}
    if span is not None:
        settings["range"] = list(span)
    if hidden:
        settings["visible"] = False
    if reverse:
        settings["autorange"] = "reversed"
    if from_zero:
        settings["rangemode"] = "tozero"
    return settings


def error_bars(centres: Sequence[float], spans: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    """From each centre down to its span's "low" and up to its "high".

    >>> error_bars([2.0], [{"low": 1.5, "high": 3.0}])["array"]
    [1.0]
    """
    pairs = list(zip(centres, spans, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [span["high"] - centre for centre, span in pairs],
        "arrayminus": [centre - span["low"] for centre, span in pairs],
    }


def power_ticks(low: float, high: float, every: int = 1) -> dict[float, str]:
    """Powers of ten from low to high, in letters of one size; plotly's own are larger than all other ticks.

    >>> list(power_ticks(0.5, 200).values())
    ['1', '10', '10<sup>2</sup>']
    """
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    names = {0: "1", 1: "10"}
    return {10.0**power: names.get(power, f"10<sup>{power}</sup>") for power in powers if power % every == 0}


def round_ticks(low: float, high: float) -> dict[float, str]:
    """1, 2, 5 and their multiples by ten between low and high, written out."""
    candidates = [digit * 10.0**power for power in range(-2, 7) for digit in (1, 2, 5)]
    return {tick: f"{tick:,.10g}" for tick in candidates if low <= tick <= high}


def _limits(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
