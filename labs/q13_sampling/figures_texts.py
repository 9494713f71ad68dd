"""The plots of Question 13's many texts: grid of settings, wall of samples, confidence of models."""

from __future__ import annotations

import html
import textwrap
from typing import Any

import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q13_sampling.grids import axes

_SYMBOLS = {"nano-rope-early": "circle-open", "nano-rope": "circle", "minimind-26m": "diamond"}
_CELL, _FRAME = 36, 62
"""Pixels of a row with two lines of text, and of all that stands around the rows."""
_ROLES = {"nano-rope-early": "removed", "nano-rope": "measured", "minimind-26m": "peer"}


def grid(result: Result, text: Text) -> dict[str, Any]:
    """`valid`, `repetition`, `distinct`: heat maps with the starting points; `tradeoff`: both of Python."""
    python = {"valid": _map(result, "python", "valid", text), "tradeoff": _tradeoff(result, text)}
    if not any("prose" in cell for cell in result["cells"]):
        return python  # a run that has not come to the prose yet
    return {
        **python,
        "repetition": _map(result, "prose", "repetition", text),
        "distinct": _map(result, "prose", "distinct", text),
    }


def wall(result: Result, text: Text) -> dict[str, Any]:
    """`likely`: each text by its diversity and by how likely the model alone finds it."""
    samples = result["samples"]
    figure = go.Figure(
        go.Scatter(
            x=[sample["distinct"] for sample in samples],
            y=[sample["log_probability"] for sample in samples],
            mode="markers",
            meta={"role": "measured"},
            marker={"size": 10, "opacity": 0.75},
            text=["<br>".join(textwrap.wrap(html.escape(sample["text"]), 48)[:6]) for sample in samples],
            hovertemplate="%{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title=text("q13.axis.distinct"))
    figure.update_yaxes(title=text("q13.axis.log_probability"))
    return {"likely": figure}


def confidence(result: Result, text: Text) -> dict[str, Any]:
    """`kept`: tokens kept against entropy, a point a token; `along`: along the text, for the twins."""
    points, along = go.Figure(), go.Figure()
    for name, model in result["models"].items():
        points.add_scatter(
            x=model["entropy"],
            y=model["kept"],
            mode="markers",
            name=text(f"q13.model.{name}"),
            meta={"role": _ROLES[name]},
            marker={"symbol": _SYMBOLS[name], "size": 8},
            customdata=[shown(token) for token in model["tokens"]],
            hovertemplate="%{customdata}: %{y}<extra></extra>",
        )
    for name in ("nano-rope-early", "nano-rope"):
        model = result["models"][name]
        along.add_scatter(
            x=list(range(1, len(model["kept"]) + 1)),
            y=model["kept"],
            mode="lines+markers",
            name=text(f"q13.model.{name}"),
            meta={"role": _ROLES[name]},
            customdata=[shown(token) for token in model["tokens"]],
            marker={"symbol": _SYMBOLS[name], "size": 6},
            hovertemplate="%{customdata}: %{y}<extra></extra>",
        )
    points.update_xaxes(title=text("q13.axis.entropy"))
    along.update_xaxes(title=text("q13.axis.text_step"))
    for figure in (points, along):
        figure.update_yaxes(title=text("q13.axis.kept"), type="log")
    return {"kept": points, "along": along}


def shown(token: str) -> str:
    """A token as a label: spaces and line breaks can be seen."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def _map(result: Result, kind: str, measure: str, text: Text) -> Any:
    """Temperature down, top-p across; each cell says its share, and which task starts there."""
    temperatures, top_ps = axes(result)
    cells = {(cell["temperature"], cell["top_p"]): cell.get(kind) for cell in result["cells"]}
    rows = [
        [cell[measure] if (cell := cells.get((temperature, top_p))) else None for top_p in top_ps]
        for temperature in temperatures
    ]
    across, down = [f"{top_p:g}" for top_p in top_ps], [f"{temperature:g}" for temperature in temperatures]
    figure = go.Figure(
        go.Heatmap(
            z=rows,
            x=across,
            y=down,
            zmin=0,
            zmax=1,
            meta={"role": "measured"},
            xgap=2,
            ygap=2,
            hovertemplate="T %{y}, p %{x}: %{z:.0%}<extra></extra>",
        )
    )
    tasks = {place: text(f"q13.task.{task}") for task, place in _places(result).items()}
    spots = [
        (temperature, top_p, row[column])
        for temperature, row in zip(temperatures, rows, strict=True)
        for column, top_p in enumerate(top_ps)
        if row[column] is not None
    ]
    words = [
        f"{share:.0%}" + (f"<br><b>{task}</b>" if (task := tasks.get((temperature, top_p))) else "")
        for temperature, top_p, share in spots
    ]
    figure.add_scatter(
        x=[f"{top_p:g}" for _, top_p, _ in spots],
        y=[f"{temperature:g}" for temperature, _, _ in spots],
        mode="text",
        text=words,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_xaxes(title=text("q13.axis.top_p"), type="category", showgrid=False)
    figure.update_yaxes(title=text("q13.axis.temperature"), type="category", showgrid=False)
    figure.update_layout(height=_FRAME + _CELL * len(temperatures))
    return figure


def _places(result: Result) -> dict[str, tuple[float, float]]:
    return {task: (cell["temperature"], cell["top_p"]) for task, cell in result["presets"].items()}


def _tradeoff(result: Result, text: Text) -> Any:
    """Valid Python against its diversity; cells that are somebody's starting point carry its name."""
    cells = [cell for cell in result["cells"] if "python" in cell]
    tasks = {place: text(f"q13.task.{task}") for task, place in _places(result).items()}
    labels = [tasks.get((cell["temperature"], cell["top_p"]), "") for cell in cells]
    # neighbours would cover each other's names
    named = [place for place, label in enumerate(labels) if label]
    named.sort(key=lambda place: cells[place]["python"]["distinct"])
    sides = {place: ("top center", "bottom center")[rank % 2] for rank, place in enumerate(named)}
    apart = [sides.get(place, "top center") for place in range(len(labels))]
    figure = go.Figure(
        go.Scatter(
            x=[cell["python"]["distinct"] for cell in cells],
            y=[cell["python"]["valid"] for cell in cells],
            mode="markers+text",
            meta={"role": "measured"},
            text=labels,
            textposition=apart,
            marker={"size": 10, "symbol": ["diamond" if label else "circle-open" for label in labels]},
            customdata=[[cell["temperature"], cell["top_p"]] for cell in cells],
            cliponaxis=False,
            hovertemplate="T %{customdata[0]}, p %{customdata[1]}: %{y:.0%}<extra></extra>",
        )
    )
    figure.update_xaxes(title=text("q13.axis.distinct"))
    figure.update_yaxes(title=text("q13.grid.valid"), tickformat=".0%", range=[-0.05, 1.15])
    return figure
