"""Losses by kind, one dot a seed on the range over seeds. Pure plotly; colours are the page's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from labs.contract.columns import Text

SPREAD = 0.3
"""The share of a lane over which its dots are set apart."""
LANE, FRAME = 58, 120
"""Pixels of a lane, and of all that stands around them."""


def dots(
    values: Mapping[str, Sequence[float]], names: Mapping[str, str], seeds: int, title: str, text: Text
) -> Any:
    """A lane for each kind of `names`, in their order; kinds without values keep theirs empty.

    `text` has the words "one_seed", "range" and "seed".
    """
    figure, lanes = go.Figure(), [kind for kind in names if values.get(kind)]
    places = {kind: place for place, kind in enumerate(names)}
    along: list[float | None] = []
    across: list[float | None] = []
    for kind in lanes:
        along += [min(values[kind]), max(values[kind]), None]
        across += [places[kind], places[kind], None]
    figure.add_scatter(
        x=along,
        y=across,
        mode="lines",
        name=text("range"),
        meta={"role": "measured"},
        line={"width": 7},
        opacity=0.35,
        hoverinfo="skip",
    )
    points = [
        (value, places[kind] + SPREAD * ((seed + 0.5) / seeds - 0.5), f"{text('seed')} {seed}")
        for kind in lanes
        for seed, value in enumerate(values[kind])
    ]
    figure.add_scatter(
        x=[x for x, _, _ in points],
        y=[y for _, y, _ in points],
        mode="markers",
        name=text("one_seed"),
        meta={"role": "measured"},
        marker={"size": 11},
        customdata=[seed for _, _, seed in points],
        hovertemplate="%{customdata}: %{x:.4g}<extra></extra>",
    )
    figure.update_xaxes(title=title)
    figure.update_yaxes(
        tickvals=list(places.values()), ticktext=list(names.values()), range=[len(names) - 0.5, -0.5]
    )
    figure.update_layout(height=FRAME + LANE * len(names))
    return figure
