"""One look for every plot: the meaning of a colour, margins, fonts, height. Draws no data of its own.

A figure arrives from a lab without colours; each trace says what it means in `meta={"role": ...}`,
and `paint` gives every role its colour and a second mark that works without colour. One set of
colours serves both themes: each has a contrast of at least 3:1 on either background (tested).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import plotly.io
import streamlit as st
from plotly.io.json import to_json_plotly

from labs.tools.ticks import round_ticks
from pages.ui.site.server import PLOTLY_ADDRESS

# plotly looks whether pandas is loaded each time it checks a value, and fails if another session is
# just importing it. Import it before the first figure, then nobody can.
importlib.import_module("pandas")
# Nor should plotly copy its own look into every figure.
plotly.io.templates.default = None

COLOURS = {
    "predicted": "#a770c2",
    "formula": "#1c66cf",
    "measured": "#159a63",
    "recorded": "#74907f",
    "said": "#d0731f",
    "peer": "#8b8781",
    "removed": "#8b8781",
}
"""By role, as the labs name them. `said` is what is commonly said, `removed` what a filter cut off."""
GRID = "rgba(139, 135, 129, 0.22)"
_TEXT = 14
"""Pixels, for all that is written in a plot; plotly would make the names of axes larger."""
_FEW_POWERS = 30
"""A logarithmic axis that spans less than this has 2 and 5 written out as well."""
_WIDE = 5
"""A line from so many pixels on is an area, and has no dashes."""
_DASHES = {"recorded": "dash", "said": "dot", "peer": "dashdot"}
_PLAY_HEIGHT = 48
_PATTERNS = {"recorded": ".", "removed": "/"}

_plot = st.components.v2.component(
    "plot",
    isolate_styles=False,
    html='<div class="plot"></div><button type="button" class="plot-play" hidden></button>',
    js=(Path(__file__).parent / "plot.js").read_text(encoding="utf-8"),
)


def show(figure: Any, *, key: str, alt: str, height: int) -> None:
    """Draw a lab's figure in the house's look, `height` pixels high; `alt` says in words what it shows.

    A figure with frames gets a button below it that plays them; its words are `layout.meta["play"]`.
    Not `st.plotly_chart`: that mounts a new chart for every new figure, so each step of a slider blinks
    and comes 0.15 s later.
    """
    _plot(
        key=key,
        data={
            "figure": to_json_plotly(paint(figure)),
            "alt": alt,
            "height": height,
            "plotly": PLOTLY_ADDRESS,
        },
        height=height + (_PLAY_HEIGHT if figure.frames else 0),
    )


def paint(figure: Any) -> dict[str, Any]:
    """A plotly figure as plain data, its traces coloured by role and laid out as all our plots are.

    Plain data, because plotly's own updates check every value anew: 8 ms a figure, on every redraw.
    """
    painted: dict[str, Any] = figure.to_plotly_json()
    for trace in painted["data"]:
        role = (trace.get("meta") or {}).get("role")
        if role is not None:
            _paint_trace(trace, role)
    layout = painted["layout"]
    _put(
        layout,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font={"size": _TEXT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        bargap=0.25,
        uirevision="keep",
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "title": None},
    )
    for letter in "xy":
        _tick_powers(layout.get(f"{letter}axis", {}), [trace.get(letter) for trace in painted["data"]])
    for name in {"xaxis", "yaxis", *(name for name in layout if name[1:].startswith("axis"))}:
        axis = layout.setdefault(name, {})
        _put(
            axis,
            automargin=True,
            gridcolor=GRID,
            zeroline=False,
            ticklabelstandoff=4 if name.startswith("x") else 8,
        )
        if "title" in axis:
            _put(axis, title={"font": {"size": _TEXT}, "standoff": 12})
    return painted


def _tick_powers(axis: dict[str, Any], data: list[Any]) -> None:
    """Whole numbers on a logarithmic axis without ticks of its own; plotly would write bare digits."""
    if axis.get("type") != "log" or "tickvals" in axis:
        return
    shown = [float(value) for values in data for value in (() if values is None else values) if value]
    low, high = min(shown, default=1.0), max(shown, default=1.0)
    _put(axis, **(round_ticks(low, high) if high < _FEW_POWERS * low else {"dtick": 1, "tickformat": "~s"}))


def _put(table: dict[str, Any], **values: Any) -> None:
    """Set values; a table in a table keeps what is not named."""
    for name, value in values.items():
        table[name] = {**table.get(name, {}), **value} if isinstance(value, dict) else value


def mark_as_recorded(figure: Any) -> None:
    """Give what a figure calls measured the look of a recorded run."""
    for trace in figure.data:
        if (trace.meta or {}).get("role") == "measured":
            trace.meta = {**trace.meta, "role": "recorded"}


def _paint_trace(trace: dict[str, Any], role: str) -> None:
    colour = COLOURS[role]
    if trace["type"] == "heatmap":  # pale enough for text on it in either theme
        _put(trace, colorscale=[[0, _faded(colour, 0.05)], [1, _faded(colour, 0.6)]], showscale=False)
    elif trace["type"] != "bar":
        wide = trace.get("line", {}).get("width", 0) >= _WIDE
        dash = "solid" if wide else _DASHES.get(role, "solid")
        _put(trace, marker={"color": colour}, line={"color": colour, "dash": dash})
    elif role in _PATTERNS:
        pattern = {"shape": _PATTERNS[role], "fgcolor": colour, "size": 6, "solidity": 0.15}
        _put(
            trace,
            marker={"color": "rgba(0,0,0,0)", "line": {"color": colour, "width": 1}, "pattern": pattern},
        )
    else:
        _put(trace, marker={"color": colour, "line": {"color": colour, "width": 0}})


def _faded(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
