"""The plots of Question 7, from results alone; others are in `figures_lengths.py` and `figures_seeds.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q07_rope.figures_lengths import lengths
from labs.q07_rope.figures_seeds import seeds
from labs.q07_rope.labels import log_axes
from labs.q07_rope.params import ANGLES, ARITHMETICS
from labs.tools.line_ends import name_ends
from labs.tools.ticks import power_ticks, round_ticks

__all__ = ["invariance", "lengths", "seeds", "shift", "spectrum"]

TREATMENTS = {"pi": "circle", "ntk": "square", "yarn": "diamond", "custom": "triangle-up"}
MINUS = "\N{MINUS SIGN}"
WHEEL = 2.7
"""Distance between the centres of two wheels, in radii."""


def invariance(result: Result, text: Text) -> dict[str, Any]:
    """`error`: over the start, measured and as rounding predicts; `turning`: three pairs; `layouts`."""
    return {
        "error": _errors(result, text),
        "turning": _wheels(result, text),
        "layouts": _layouts(result, text),
    }


def _errors(result: Result, text: Text) -> Any:
    figure, starts, view = go.Figure(), result["starts"], result["view"]
    for place, name in enumerate(ARITHMETICS):
        if result["vectors"] == "random":
            figure.add_scatter(
                x=starts,
                y=result["formula"][name],
                mode="lines",
                meta={"role": "formula"},
                name=text("q07.formula"),
                showlegend=not place,
                line={"width": 1.5},
                hoverinfo="skip",
            )
    ends = []
    for place, name in enumerate(ARITHMETICS):
        values = [float(value) or None for value in result["error"][name]]
        figure.add_scatter(
            x=starts,
            y=values,
            mode="lines",
            meta={"role": "measured"},
            line={"width": 2.5},
            name=text("q07.measured"),
            showlegend=not place,
            hovertemplate=f"{text(f'q07.{name}')}<br>m = %{{x:,}}: %{{y:.2g}}<extra></extra>",
        )
        if values[-1]:
            ends.append((starts[-1], values[-1], text(f"q07.{name}")))
    every = [value for name in ARITHMETICS for value in result["error"][name] if value > 0]
    low, high = log_axes(figure, starts, [*every, 1.0], room=0.45)
    figure.add_scatter(
        x=[view["start"]],
        y=[view["typical"] or None],
        mode="markers",
        showlegend=False,
        meta={"role": "measured"},
        marker={"size": 13, "symbol": "circle-open", "line": {"width": 3}},
        hoverinfo="skip",
    )
    name_ends(figure, ends, low, high, log=True)
    figure.update_xaxes(
        title=text("q07.axis.start"),
        tickvals=[10.0**power for power in range(0, 7, 2)],
        ticktext=["1", "100", "10,000", "1,000,000"],
    )
    figure.update_yaxes(title=text("q07.axis.error"), **power_ticks(low, high, every=3))
    return figure


def _wheels(result: Result, text: Text) -> Any:
    """Query and key of three pairs at the chosen start, and faintly at 0: the angle between them stays.

    Played, they turn through the first positions, each pair at its own speed.
    """
    view, figure = result["view"], go.Figure()
    arrows = result["arrows"][view["arithmetic"]][[0, 1 + view["place"]]]  # [2, 3, 4]
    angles = _angles(arrows)  # [2, 3, query and key]
    between = (np.degrees(angles[..., 1] - angles[..., 0]) + 180) % 360 - 180  # [2, 3]
    turn = np.linspace(0, 2 * math.pi, 73)
    for wheel, pair in enumerate(result["shown_pairs"]):
        figure.add_scatter(
            x=wheel * WHEEL + np.cos(turn),
            y=np.sin(turn),
            mode="lines",
            showlegend=False,
            meta={"role": "peer"},
            line={"width": 1},
            hoverinfo="skip",
        )
        before, after = (f"{degrees:.1f}°".replace("-", MINUS) for degrees in between[:, wheel])
        figure.add_annotation(
            x=wheel * WHEEL,
            y=-1.1,
            yanchor="top",
            showarrow=False,
            font={"size": 13},
            text=f"{text('q07.pair') % {'pair': pair}}<br>{before} → {after}",
        )
    for start, where, role in ((0, angles[0], "peer"), (view["start"], angles[1], "measured")):
        moved = role == "measured"
        for place, arrow in enumerate(_arrows(where)):
            name, symbol = (("query", "circle"), ("key", "diamond"))[place % 2]
            figure.add_scatter(
                **arrow,
                mode="lines+markers",
                meta={"role": role},
                showlegend=place < 2,
                hoverinfo="skip",
                name=text(f"q07.arrow.{name}") % {"m": f"{start:,}"},
                line={"width": 3 if moved else 1.5},
                marker={"symbol": symbol, "size": [0, 12 if moved else 8]},
            )
    _make_playable(figure, result["turning"][view["arithmetic"]], text)
    figure.update_xaxes(visible=False, range=[-1.2, 2 * WHEEL + 1.2])
    figure.update_yaxes(visible=False, range=[-1.75, 1.15], scaleanchor="x")
    return figure


def _make_playable(figure: Any, turning: Any, text: Text) -> None:
    """Frames that move the six strong arrows, drawn last, through the positions of `turning` [M, 3, 4]."""
    arrows = [_arrows(angles) for angles in _angles(turning)]
    last = list(range(len(figure.data) - len(arrows[0]), len(figure.data)))
    figure.frames = [
        go.Frame(name=f"m = {position}", traces=last, data=[go.Scatter(**one) for one in each])
        for position, each in enumerate(arrows)
    ]
    figure.update_layout(meta={"play": text("q07.play") % {"last": len(arrows) - 1}})


def _angles(arrows: Any) -> Any:
    """[..., x, y, x, y] -> [..., query and key]."""
    return np.arctan2(arrows[..., 1::2], arrows[..., ::2])


def _arrows(angles: Any) -> list[dict[str, list[float]]]:
    """From the centre of each wheel to its rim: angles [3, query and key] -> six lines."""
    return [
        {"x": [wheel * WHEEL, round(wheel * WHEEL + math.cos(angle), 4)], "y": [0, round(math.sin(angle), 4)]}
        for wheel, both in enumerate(angles)
        for angle in both
    ]


def _layouts(result: Result, text: Text) -> Any:
    layouts, figure = result["layouts"], go.Figure()
    half = layouts["half_split"]
    ends = [float(half.min()), float(half.max())]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", meta={"role": "formula"}, name=text("q07.equal"), hoverinfo="skip"
    )
    for name, role, symbol in (("unpermuted", "said", "x"), ("permuted", "measured", "circle")):
        figure.add_scatter(
            x=half,
            y=layouts[name],
            mode="markers",
            meta={"role": role},
            name=text(f"q07.layout.{name}"),
            marker={"symbol": symbol, "size": 8},
            hovertemplate="%{x:.2f} | %{y:.2f}<extra></extra>",
        )
    figure.update_xaxes(title=text("q07.axis.half_split"))
    figure.update_yaxes(title=text("q07.axis.interleaved"))
    return figure


def spectrum(result: Result, text: Text) -> dict[str, Any]:
    """`wavelength` of each pair, against the length; `multipliers`: what each treatment does to a pair."""
    return {"wavelength": _wavelengths(result, text), "multipliers": _multipliers(result, text)}


def _wavelengths(result: Result, text: Text) -> Any:
    waves, figure = result["wavelength"], go.Figure()
    turned = result["full_turns"]
    for name, role, pairs in (
        ("turned", "formula", range(turned)),
        ("unfinished", "removed", range(turned, len(waves))),
    ):
        figure.add_bar(
            x=list(pairs),
            y=[waves[pair] for pair in pairs],
            meta={"role": role},
            name=f"{text(f'q07.{name}')} ({len(pairs)})",
            hovertemplate=_pair(text) + ": %{y:,.3g}<extra></extra>",
        )
    if "measured_wavelength" in result:
        figure.add_scatter(
            x=list(range(len(waves))),
            y=result["measured_wavelength"],
            mode="markers",
            name=text("q07.core"),
            meta={"role": "measured"},
            marker={"size": 6},
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[-0.6, len(waves) - 0.4],
        y=[result["length"]] * 2,
        mode="lines",
        showlegend=False,
        meta={"role": "peer"},
        line={"width": 2},
        hoverinfo="skip",
    )
    label = f"{result['length']:,} {text('q07.tokens_unit')}"
    figure.add_annotation(
        x=-0.5, y=math.log10(result["length"]), xanchor="left", yanchor="bottom", text=label, showarrow=False
    )
    figure.update_xaxes(title=text("q07.axis.pair"), range=[-0.7, len(waves) - 0.3])
    figure.update_yaxes(title=text("q07.axis.wavelength"), type="log", **power_ticks(1, max(waves) * 10))
    return figure


def _multipliers(result: Result, text: Text) -> Any:
    figure = go.Figure()
    for name, values in result["multipliers"].items():
        figure.add_scatter(
            x=list(range(len(values))),
            y=values,
            mode="lines+markers",
            meta={"role": "formula"},
            name=text(f"q07.scaling.{name}"),
            marker={"symbol": TREATMENTS[name], "size": 8},
            hovertemplate=_pair(text) + ": %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(title=text("q07.axis.pair"))
    figure.update_yaxes(title=text("q07.axis.multiplier"), range=[0, 1.06])
    return figure


def shift(result: Result, text: Text) -> dict[str, Any]:
    """`difference`: the largest change of a logit over the offset; `perplexity` of the text likewise."""
    return {
        "difference": _over_offsets(result, text, "difference"),
        "perplexity": _over_offsets(result, text, "perplexity"),
    }


def _over_offsets(result: Result, text: Text, what: str) -> Any:
    figure, ends = go.Figure(), []
    every: list[float] = []
    for name, symbol in zip(ANGLES, ("circle", "square", "diamond"), strict=True):
        points = {
            int(offset): value
            for offset, value in result[what].get(name, {}).items()
            if int(offset) and value > 0
        }
        if not points:
            continue
        figure.add_scatter(
            x=list(points),
            y=list(points.values()),
            mode="lines+markers",
            meta={"role": "measured"},
            showlegend=False,
            marker={"symbol": symbol, "size": 9},
            hovertemplate="%{x:,}: %{y:.3g}<extra></extra>",
        )
        ends.append((max(points), points[max(points)], text(f"q07.angles.{name}")))
        every += points.values()
    if what == "difference" and "logit_std" in result:
        figure.add_scatter(
            x=[1, 1e6],
            y=[result["logit_std"]] * 2,
            mode="lines",
            meta={"role": "peer"},
            name=text("q07.logit_std"),
            hoverinfo="skip",
        )
        every.append(result["logit_std"])
    low, high = log_axes(figure, [1, 1e6], every or [1.0], room=0.45)
    name_ends(figure, ends, low, high, log=True)
    figure.update_xaxes(
        title=text("q07.axis.offset"),
        tickvals=[1, 100, 10_000, 1_000_000],
        ticktext=["1", "100", "10,000", "1,000,000"],
    )
    ticks = round_ticks if what == "perplexity" else power_ticks
    figure.update_yaxes(title=text(f"q07.axis.{what}"), **ticks(low, high))
    return figure


def _pair(text: Text) -> str:
    return text("q07.pair") % {"pair": "%{x}"}
