"""One look for every plot: the meaning of a colour, margins, fonts, height. Draws no data of its own.

A figure arrives from a lab without colours; each trace says what it means in `meta={"role": ...}`,
and `paint` gives every role its colour and a second mark that works without colour. One set of
colours serves both themes: each has a contrast of at least 3:1 on either background (tested).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from labs.contract.drawing import Figure, axis_settings, round_ticks
from pages.ui.site.component import component
from pages.ui.site.server import PLOTLY_ADDRESS
from pages.ui.words.i18n import t
from pages.ui.words.marks import labelled, signed

Dragged = Callable[[str, float], None]
"""Hears the field that a dragged line sets, and the number where it was left."""
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
_LEAST_TEXT = 10
"""Pixels, of what stands in an area: where that does not fit, nothing stands there."""
_FEW_POWERS = 30
"""A logarithmic axis that spans less than this has 2 and 5 written out as well."""
_WIDE = 5
"""A line from so many pixels on is an area, and has no dashes."""
_DENSE = 300
"""Of so many points a line has no dashes: its spikes would be lost in the gaps."""
_LINK = re.compile(r"<(/?a\b)", re.IGNORECASE)
"""Of the HTML that plotly draws in texts the one tag that leads away; no lab writes it, a token may."""
_DASHES = {"recorded": "dash", "said": "dot", "peer": "dashdot"}
_PLAY_HEIGHT = 48
_PATTERNS = {"recorded": ".", "removed": "/"}

_plot = component(
    Path(__file__).with_name("plot.js"),
    html='<div class="plot"></div><button type="button" class="plot-play" hidden></button>',
    isolate_styles=False,
)


def show(
    figure: Figure, *, key: str, alt: str, height: int, recorded: bool = False, on_drag: Dragged | None = None
) -> None:
    """Draw a lab's figure in the house's look, `height` pixels high; `alt` says in words what it shows.

    What a `recorded` figure calls measured gets the look of a recorded run. A figure with frames gets a
    button below it that plays them; its words are `layout.meta["play"]`. A line that `Figure.drag` named can
    be dragged where `on_drag` hears of it. Not `st.plotly_chart`: that mounts a
    new chart for every new figure, so each step of a slider blinks and comes 0.15 s later.
    """
    painted = json.dumps(paint(figure, recorded=recorded), ensure_ascii=False, allow_nan=False)
    data = {
        "figure": labelled(signed(without_links(painted))),
        "alt": labelled(in_words(figure, alt, t("claims.comma"))),
        "height": height,
        "plotly": PLOTLY_ADDRESS,
    }
    drag = figure.layout.get("meta", {}).get("drag") if on_drag else None

    def dragged() -> None:
        value = (st.session_state.get(key) or {}).get("dragged")
        if on_drag is not None and drag is not None and isinstance(value, int | float):
            on_drag(drag["field"], value)

    _plot(
        key=key,
        data=data | {"drag": drag},
        height=height + (_PLAY_HEIGHT if figure.frames else 0),
        on_dragged_change=dragged,
    )


def in_words(figure: Figure, title: str, comma: str) -> str:
    """What a figure shows: its title, and of areas each with what stands in it, after a `comma` each.

    >>> drawn = Figure()
    >>> head = {"id": "head", "label": "head", "parent": "", "value": 1, "text": "9%"}
    >>> drawn.areas([head], "formula", hover="%{value}")
    >>> in_words(drawn, "Weights", ", ")
    'Weights: head 9%'
    """
    areas = [
        f"{label} {text}"
        for trace in figure.data
        if trace["type"] == "treemap"
        for label, text in zip(trace["labels"], trace["text"], strict=True)
    ]
    return f"{title}: {comma.join(areas)}" if areas else title


def without_links(painted: str) -> str:
    """A painted figure in which no text is a link, whatever a token or a name holds."""
    return _LINK.sub(r"&lt;\1", painted)


def paint(figure: Figure, *, recorded: bool = False) -> dict[str, Any]:
    """A figure as plotly.js reads it, its traces coloured by role and laid out as all our plots are."""
    traces = [_painted(trace, recorded) for trace in figure.data]
    layout = dict(figure.layout)
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
    if any("roles" in trace.get("meta", {}) for trace in figure.data):
        _put(layout, uniformtext={"minsize": _LEAST_TEXT, "mode": "hide"})
        return {**figure.to_dict(), "data": traces, "layout": layout}
    for name in ("xaxis", "yaxis"):
        axis = layout[name] = dict(layout.get(name, {}))
        _tick_powers(axis, [trace.get(name[0]) for trace in traces])
        _put(
            axis,
            automargin=True,
            gridcolor=GRID,
            zeroline=False,
            separatethousands=True,
            ticklabelstandoff=4 if name.startswith("x") else 8,
        )
        if "title" in axis:
            _put(axis, title={"font": {"size": _TEXT}, "standoff": 12})
    return {**figure.to_dict(), "data": traces, "layout": layout}


def _tick_powers(axis: dict[str, Any], data: list[Any]) -> None:
    """Whole numbers on a logarithmic axis without ticks of its own; plotly would write bare digits."""
    if axis.get("type") != "log" or "tickvals" in axis:
        return
    shown = [float(value) for values in data for value in (() if values is None else values) if value]
    low, high = min(shown, default=1.0), max(shown, default=1.0)
    few = high < _FEW_POWERS * low
    _put(axis, **(axis_settings(ticks=round_ticks(low, high)) if few else {"dtick": 1, "tickformat": "~s"}))


def _put(table: dict[str, Any], **values: Any) -> None:
    """Set values; a table in a table keeps what is not named."""
    for name, value in values.items():
        table[name] = {**table.get(name, {}), **value} if isinstance(value, dict) else value


def _painted(trace: dict[str, Any], recorded: bool) -> dict[str, Any]:
    """A copy of the trace in the colour of its role, if it has one."""
    painted, meta = dict(trace), trace.get("meta") or {}
    seen = {"measured": "recorded"} if recorded else {}
    role = meta.get("role")
    if "roles" in meta:
        _paint_areas(painted, [seen.get(each, each) for each in meta["roles"]])
    elif role is not None:
        _paint_trace(painted, seen.get(role, role))
    return painted


def _paint_areas(trace: dict[str, Any], roles: list[str]) -> None:
    """Rectangles of a role each, pale enough for text on them in either theme; what holds others is paler."""
    holds = [name in trace["parents"] for name in trace["ids"]]
    names = zip(trace["labels"], trace["text"], holds, strict=True)
    bare = [role in _PATTERNS for role in roles]
    fills = [
        _faded(COLOURS[role], 0.0 if hatched else 0.08 if above else 0.3)
        for role, hatched, above in zip(roles, bare, holds, strict=True)
    ]
    colours = [COLOURS[role] for role in roles]
    pattern = {
        "shape": ["" if above else _PATTERNS.get(role, "") for role, above in zip(roles, holds, strict=True)],
        "fgcolor": colours,
        "bgcolor": fills,
        "size": 6,
        "solidity": 0.15,
    }
    _put(
        trace,
        marker={
            "colors": fills,
            "line": {"color": colours, "width": 1},
            "pattern": pattern,
            "pad": {"t": _TEXT + 8, "l": 3, "r": 3, "b": 3},
        },
        texttemplate="%{label}<br>%{text}",
        labels=[f"{label} {text}" if above else label for label, text, above in names],  # has one line
        tiling={"pad": 2},
        pathbar={"visible": False},
    )


def _paint_trace(trace: dict[str, Any], role: str) -> None:
    colour = COLOURS[role]
    if trace["type"] == "heatmap":  # pale enough for text on it in either theme
        _put(trace, colorscale=[[0, _faded(colour, 0.05)], [1, _faded(colour, 0.6)]], showscale=False)
    elif trace["type"] != "bar":
        wide = trace.get("line", {}).get("width", 0) >= _WIDE
        dense = role == "recorded" and len(trace.get("x", ())) > _DENSE
        dash = "solid" if wide or dense else _DASHES.get(role, "solid")
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
