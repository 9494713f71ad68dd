"""The plots of several trainings a kind, of a finished run or of one that goes on. Colours are the page's."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q07_rope.figures_lengths import KINDS, length_axis
from labs.q07_rope.labels import log_axes, position_names
from labs.tools.line_ends import name_ends
from labs.tools.seeds.dots import dots
from labs.tools.seeds.telling import words
from labs.tools.ticks import round_ticks

ALWAYS_SHOWN = (0.6, 1.8)
"""Growth within the axis of every run, so that one without any looks like it."""


def seeds(result: Result, text: Text) -> dict[str, Any]:
    """`loss` at the trained length by kind, one dot a seed; `growth` over length, one line a seed."""
    own, names = words(text, "q07"), position_names(text)
    return {
        "loss": dots(result["loss"], names, result["seeds"], own("axis"), own),
        "growth": _growth(result, text),
    }


def _growth(result: Result, text: Text) -> Any:
    figure, ends, lengths = go.Figure(), [], result["lengths"]
    every = [value for lines in result["growth"].values() for line in lines for value in line.values()]
    for kind, lines in result["growth"].items():
        if not lines:
            continue
        figure.add_scatter(
            x=[*lengths, None] * len(lines),
            y=[y for line in lines for y in (*line.values(), None)],
            mode="lines+markers",
            meta={"role": "measured"},
            showlegend=False,
            line={"width": 1.5},
            marker={"symbol": KINDS[kind], "size": 9},
            hovertemplate=f"{text(f'q07.row.{kind}')}<br>%{{x:,}}: %{{y:.3g}}×<extra></extra>",
        )
        longest = [line[str(lengths[-1])] for line in lines]
        ends.append((lengths[-1], sum(longest) / len(longest), text(f"q07.row.{kind}")))
    low, high = log_axes(figure, lengths, [*every, *ALWAYS_SHOWN], room=0.45)
    name_ends(figure, ends, low, high, log=True)
    length_axis(figure, text, lengths)
    figure.update_yaxes(title=text("q07.seeds.axis.growth"), **round_ticks(low, high))
    return figure
