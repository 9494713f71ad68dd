"""The plots of Question 13, from results alone. Colours and fonts are the page's (see contract.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from labs.contract import Result, Text

SHOWN = 20
"""Bars whose labels can still be read on a laptop."""


def next_token(result: Result, text: Text) -> dict[str, Any]:
    """`candidates`: the most likely tokens, kept and removed, and the mass up to each."""
    view = result["view"]
    count = min(SHOWN, len(view["ids"]))
    labels = [visible(token) for token in view["texts"][:count]]
    kept = view["kept"][:count].astype(bool)
    before, final = view["before"][:count], view["probabilities"][:count]
    figure = go.Figure()
    for role, name, mask, heights in (("measured", "q13.kept", kept, final),
                                      ("removed", "q13.removed", ~kept, before)):
        places = np.flatnonzero(mask)
        figure.add_bar(x=places, y=heights[mask], name=text(name), meta={"role": role},
                       customdata=[labels[place] for place in places],
                       hovertemplate="%{customdata}<br>%{y:.4f}<extra></extra>")
    figure.add_scatter(x=np.arange(count), y=before.cumsum(), name=text("q13.cumulative"),
                       mode="lines+markers", line={"shape": "hvh"}, meta={"role": "formula"},
                       hovertemplate="%{y:.4f}<extra></extra>")
    figure.update_xaxes(title=text("q13.axis.token"), tickvals=list(range(count)), ticktext=labels)
    figure.update_yaxes(title=text("q13.axis.probability"), range=[0, 1.02])
    figure.update_layout(barmode="overlay")
    return {"candidates": figure}


def continuation(result: Result, text: Text) -> dict[str, Any]:
    """`kept`: how many tokens the settings left at each step; `entropy`: how unsure that choice was."""
    steps = result["steps"]
    labels = [visible(step["token"]) for step in steps]
    return {
        "kept": _along(labels, [step["kept"] for step in steps], text("q13.axis.kept"), text, log=True),
        "entropy": _along(labels, [step["entropy"] for step in steps], text("q13.axis.entropy"), text),
    }


def visible(token: str) -> str:
    """A token as an axis label: spaces and line breaks can be seen."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def _along(labels: list[str], values: list[float], title: str, text: Text, *, log: bool = False) -> Any:
    figure = go.Figure()
    figure.add_scatter(x=list(range(1, len(values) + 1)), y=values, mode="lines+markers", customdata=labels,
                       meta={"role": "measured"}, hovertemplate="%{customdata}<br>%{y:.4g}<extra></extra>")
    figure.update_xaxes(title=text("q13.axis.step"))
    figure.update_yaxes(title=title, type="log" if log else "linear")
    return figure
