"""The plots of Question 13, from results alone. Colours and fonts are the page's (see contract.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q13_sampling.figures_texts import confidence, grid, shown, wall

__all__ = ["bugs", "confidence", "continuation", "grid", "manual", "next_token", "wall"]

SHOWN = 16
"""Bars that fit on a laptop below their sliders, labels readable."""


def next_token(result: Result, text: Text) -> dict[str, Any]:
    """`candidates`: the most likely tokens, kept and removed, beside what the model alone gives them."""
    labels = [shown(token) for token in result["view"]["texts"][:SHOWN]]
    return {"candidates": _bars(result["view"], labels, text("q13.alone"), text)}


def manual(result: Result, text: Text) -> dict[str, Any]:
    """`candidates`: the same of typed numbers, beside their probabilities without any setting."""
    return {"candidates": _bars(result["view"], result["view"]["texts"][:SHOWN], text("q13.typed"), text)}


def bugs(result: Result, text: Text) -> dict[str, Any]:
    """`sums`: what each row's probabilities add up to; `penalty`: the seen token, before and after it."""
    rows = list(range(1, result["rows"] + 1))
    sums = go.Figure()
    for role, name in (("measured", "wiped"), ("said", "shared")):
        sums.add_scatter(
            x=rows,
            y=result["row_sums"][name],
            name=text(f"q13.bugs.{name}"),
            mode="markers",
            marker={"size": 9, "symbol": "circle" if name == "wiped" else "diamond-open"},
            meta={"role": role},
            hovertemplate="%{x}: %{y:.3g}<extra></extra>",
        )
    sums.add_scatter(
        x=rows,
        y=result["row_sums"]["right"],
        name=text("q13.bugs.right"),
        mode="lines",
        meta={"role": "formula"},
        hoverinfo="skip",
    )
    sums.update_xaxes(title=text("q13.axis.row"))
    sums.update_yaxes(title=text("q13.axis.sum"), range=[-0.05, 1.1])
    penalty, shares = go.Figure(), result["penalty"]["probability"]
    for role, name in (("peer", "before"), ("said", "divided"), ("measured", "right")):
        penalty.add_bar(
            x=[shares[name]],
            y=[text(f"q13.bugs.penalty.{name}")],
            orientation="h",
            text=[f" {shares[name]:.2%}"],
            textposition="outside",
            cliponaxis=False,
            meta={"role": role},
            showlegend=False,
            hoverinfo="skip",
        )
    penalty.update_xaxes(visible=False, range=[0, 1.25 * max(shares.values())])
    penalty.update_yaxes(autorange="reversed", showgrid=False)
    penalty.update_layout(height=170)
    return {"sums": sums, "penalty": penalty}


def percent(probability: float) -> str:
    """Three significant digits at most, never a 0 that is not one."""
    return f"{probability:.1%}" if probability >= 0.0005 else f"{probability:.0e}"


def continuation(result: Result, text: Text) -> dict[str, Any]:
    """`kept`: how many tokens the settings left at each step; `entropy`: how unsure that choice was."""
    steps = result["steps"]
    labels = [shown(step["token"]) for step in steps]
    return {
        "kept": _along(labels, [step["kept"] for step in steps], text("q13.axis.kept"), text, log=True),
        "entropy": _along(labels, [step["entropy"] for step in steps], text("q13.axis.entropy"), text),
    }


def _bars(view: Result, labels: list[str], alone_name: str, text: Text) -> Any:
    """The most likely candidates as bars, kept ones filled; a mark says what each has without settings."""
    count = len(labels)
    kept = view["kept"][:count].astype(bool)
    before, final, alone = view["before"][:count], view["probabilities"][:count], view["alone"][:count]
    so_far = before.cumsum()
    figure = go.Figure()
    for role, name, mask, lengths in (
        ("measured", "q13.kept", kept, final),
        ("removed", "q13.removed", ~kept, before),
    ):
        figure.add_bar(
            x=lengths[mask],
            y=np.flatnonzero(mask),
            orientation="h",
            name=text(name),
            meta={"role": role},
            customdata=[[labels[place], percent(so_far[place])] for place in np.flatnonzero(mask)],
            hovertemplate=f"%{{customdata[0]}}: %{{x:.2%}}<br>{text('q13.cumulative')} %{{customdata[1]}}"
            "<extra></extra>",
        )
    figure.add_scatter(
        x=alone,
        y=np.arange(count),
        name=alone_name,
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 11, "line": {"width": 2}},
        meta={"role": "peer"},
        hovertemplate=f"{alone_name}: %{{x:.2%}}<extra></extra>",
    )
    lengths = np.where(kept, final, before)
    ends = np.maximum(lengths, alone)
    figure.add_scatter(
        x=ends,
        y=np.arange(count),
        text=[f" {percent(length)}" for length in lengths],
        mode="text",
        textposition="middle right",
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_xaxes(visible=False, range=[0, float(ends.max()) * 1.22])
    figure.update_yaxes(
        tickvals=list(range(count)), ticktext=labels, range=[count - 0.5, -0.5], showgrid=False
    )
    figure.update_layout(barmode="overlay")
    return figure


def _along(labels: list[str], values: list[float], title: str, text: Text, *, log: bool = False) -> Any:
    figure = go.Figure()
    figure.add_scatter(
        x=list(range(1, len(values) + 1)),
        y=values,
        mode="lines+markers",
        customdata=labels,
        meta={"role": "measured"},
        hovertemplate="%{customdata}<br>%{y:.4g}<extra></extra>",
    )
    figure.update_xaxes(title=text("q13.axis.step"))
    figure.update_yaxes(title=title, type="log" if log else "linear")
    return figure
