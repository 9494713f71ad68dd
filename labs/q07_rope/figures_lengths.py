"""The plots of the length bench, of a finished run or of one that goes on. Colours are the page's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q07_rope.labels import log_axes
from labs.tools.line_ends import name_ends
from labs.tools.ticks import round_ticks

KINDS = {
    "rope": "circle",
    "rope_1e4": "circle-open",
    "learned": "x",
    "learned_longer": "x-thin-open",
    "sinusoidal": "square",
    "alibi": "diamond",
    "none": "triangle-up",
}
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
GREY = "rgba(139, 135, 129, 0.8)"


def lengths(result: Result, text: Text) -> dict[str, Any]:
    """`kinds` of positions: perplexity over length; `treatments` of one model; `position` in a chunk."""
    base = result["base"]
    found = {"treatments": _over_length(result, text, {base: KINDS[base], **TREATED})}
    if set(result["perplexity"]) & (KINDS.keys() - {base}):
        found = {"kinds": _over_length(result, text, KINDS), **found}
    if result.get("by_position"):
        found["position"] = _positions(result, text, [base, *BY_POSITION])
    return found


def _over_length(result: Result, text: Text, symbols: dict[str, str]) -> Any:
    figure, ends = go.Figure(), []
    stored = (result.get("view") or {}).get("stored")
    shown = {name: _points(result, name) for name in symbols if result["perplexity"].get(name)}
    every = [value for points in shown.values() for value in points.values()] or [1.0]
    xs = [*result["lengths"]]
    for name, points in shown.items():
        figure.add_scatter(
            x=list(points),
            y=list(points.values()),
            mode="lines+markers",
            meta={"role": "measured"},
            showlegend=False,
            marker={"symbol": symbols[name], "size": 10},
            hovertemplate=f"{text(f'q07.row.{name}')}<br>%{{x:,}}: %{{y:.4g}}<extra></extra>",
        )
        last = max(points)
        later = _stored_points(stored, name)
        if later:
            joined = {last: points[last], **later}
            figure.add_scatter(
                x=list(joined),
                y=list(joined.values()),
                mode="lines+markers",
                meta={"role": "recorded"},
                showlegend=False,
                marker={"symbol": symbols[name], "size": 8},
                hovertemplate="%{x:,}: %{y:.4g}<extra></extra>",
            )
            last, points = max(later), {**points, **later}
            xs += later
            every += later.values()
        if name not in ("learned", "shifted"):
            ends.append((last, points[last], text(f"q07.row.{name}")))
    low, high = log_axes(figure, xs, every, room=0.45)
    name_ends(figure, ends, low, high, log=True)
    _name_short_lines(figure, result, text, shown)
    length_axis(figure, text, xs)
    figure.update_yaxes(title=text("q07.axis.perplexity"), **round_ticks(low, high))
    return figure


def _points(result: Result, name: str) -> dict[int, float]:
    """Perplexity by length. A treatment that depends on the length starts as the untreated model."""
    points = {int(length): value for length, value in result["perplexity"][name].items()}
    trained = result["trained"]
    if name in TREATED and trained not in points:
        points = {trained: result["perplexity"][result["base"]][str(trained)], **points}
    return points


def _stored_points(stored: Any, name: str) -> dict[int, float]:
    if not stored:
        return {}
    points = stored["perplexity"].get(name, {})
    return {length: points[str(length)] for length in stored["lengths"] if str(length) in points}


def _name_short_lines(figure: Any, result: Result, text: Text, shown: dict[str, dict[int, float]]) -> None:
    """Lines that end before the others: the learned table, which ends, and the shifted model."""
    end = result.get("table_end") or {"error": ""}
    for name, ay in (("learned", -150), ("shifted", 28)):
        if name in shown:
            stops = name == "learned" and end["error"]
            label = text("q07.past_table") % end if stops else text(f"q07.row.{name}")
            x, y = max(shown[name].items())
            figure.add_annotation(
                x=math.log10(x),
                y=math.log10(y),
                text=label,
                ax=8,
                ay=ay,
                xanchor="left",
                arrowwidth=1,
                arrowcolor=GREY,
                standoff=6,
                font={"size": 13},
            )


def _positions(result: Result, text: Text, names: Iterable[str]) -> Any:
    figure = go.Figure()
    for name in names:
        if name not in result["by_position"]:
            continue
        line = result["by_position"][name]
        symbol = KINDS.get(name) or TREATED[name]
        figure.add_scatter(
            x=line["position"],
            y=line["nats"],
            mode="lines+markers",
            meta={"role": "measured"},
            name=text(f"q07.row.{name}"),
            marker={"symbol": symbol, "size": 7},
            hovertemplate=f"{text(f'q07.row.{name}')}<br>%{{x:,}}: %{{y:.3f}}<extra></extra>",
        )
    top = max(float(line["nats"].max()) for line in result["by_position"].values())
    figure.add_scatter(
        x=[result["trained"]] * 2,
        y=[0, top],
        mode="lines",
        meta={"role": "peer"},
        name=text("q07.trained"),
        hoverinfo="skip",
    )
    figure.update_xaxes(title=text("q07.axis.position"))
    figure.update_yaxes(title=text("q07.axis.nats"), rangemode="tozero")
    return figure


def length_axis(figure: Any, text: Text, xs: Iterable[float]) -> None:
    """Name the lengths that were read on a logarithmic axis."""
    shown = sorted(set(xs))
    figure.update_xaxes(title=text("q07.axis.length"), tickvals=shown, ticktext=[f"{x:,}" for x in shown])
