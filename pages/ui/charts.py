"""One look for every plot: the meaning of a colour, margins, fonts, height. Draws no data of its own.

A figure arrives from a lab without colours; each trace says what it means in `meta={"role": ...}`,
and `paint` gives every role its colour and a second mark that works without colour. One set of
colours serves both themes: each has a contrast of at least 3:1 on either background (tested).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.server import PLOTLY_ADDRESS

# plotly looks whether pandas is loaded each time it checks a value, and fails if another session is
# just importing it. Import it before the first figure, then nobody can.
importlib.import_module("pandas")

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
_DASHES = {"recorded": "dash", "said": "dot", "peer": "dashdot"}
_PLAY_HEIGHT = 48
_PATTERNS = {"recorded": "/", "removed": "/"}

_plot = st.components.v2.component("plot", isolate_styles=False,
                                   html='<div class="plot" role="img"></div>'
                                        '<button type="button" class="plot-play" hidden></button>',
                                   js=(Path(__file__).parent / "plot.js").read_text(encoding="utf-8"))


def show(figure: Any, *, key: str, alt: str, height: int) -> None:
    """Draw a lab's figure in the house's look, `height` pixels high; `alt` says in words what it shows.

    A figure with frames gets a button below it that plays them; its words are `layout.meta["play"]`.
    Not `st.plotly_chart`: that mounts a new chart for every new figure, so each step of a slider blinks
    and comes 0.15 s later.
    """
    _plot(key=key, data={"figure": paint(figure).to_json(), "alt": alt, "height": height,
                         "plotly": PLOTLY_ADDRESS}, height=height + (_PLAY_HEIGHT if figure.frames else 0))


def paint(figure: Any) -> Any:
    """Colour a plotly figure's traces by role, in place, and lay it out as all our plots are."""
    for trace in figure.data:
        role = (trace.meta or {}).get("role")
        if role is not None:
            _paint_trace(trace, role)
    top = 36 if figure.layout.title.text else 8
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": top, "b": 8}, font={"size": 14}, template="none",
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", bargap=0.25, uirevision="keep",
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "title": None},
    )
    figure.update_xaxes(automargin=True, gridcolor=GRID, zeroline=False, ticklabelstandoff=4)
    figure.update_yaxes(automargin=True, gridcolor=GRID, zeroline=False, ticklabelstandoff=8)
    return figure


def mark_as_recorded(figure: Any) -> None:
    """Give what a figure calls measured the look of a recorded run."""
    for trace in figure.data:
        if (trace.meta or {}).get("role") == "measured":
            trace.meta = {**trace.meta, "role": "recorded"}


def _paint_trace(trace: Any, role: str) -> None:
    colour = COLOURS[role]
    if trace.type == "heatmap":  # pale enough for text on it in either theme
        trace.colorscale = [[0, _faded(colour, 0.05)], [1, _faded(colour, 0.6)]]
        trace.showscale = False
        return
    if trace.type == "bar":
        filled = role not in _PATTERNS
        trace.marker.color = colour if filled else "rgba(0,0,0,0)"
        trace.marker.line = {"color": colour, "width": 0 if filled else 1}
        if not filled:
            trace.marker.pattern = {"shape": _PATTERNS[role], "fgcolor": colour, "size": 5, "solidity": 0.2}
        return
    trace.marker.color = colour
    trace.line.color = colour
    trace.line.dash = _DASHES.get(role, "solid")


def _faded(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[start:start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
