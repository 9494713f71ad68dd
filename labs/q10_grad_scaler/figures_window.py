"""Draws gradients in the window of a number format: the moved histogram, factors, layers, the cliff."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q10_grad_scaler.formats import KINDS, PER_OCTAVE, edges
from labs.q10_grad_scaler.words import percent

ROLES = {"zero": "removed", "subnormal": "peer", "normal": "measured", "overflow": "said"}
"""What fits is measured, what is cut off is removed, and Inf is what has to be noticed."""
SYMBOLS = {"zero": "circle", "subnormal": "square", "overflow": "triangle-up"}
SHOWN = {"fp16": (-62, 32), "bf16": (-150, 142), "fp32": (-162, 142)}
"""Exponents of the axis, wide enough for the window to be to scale."""
ROOM = 1.3
"""Height of the plot over its highest bar, for the words above."""


def window(result: Result, text: Text) -> dict[str, Any]:
    """`histogram`: moved into the window; `factor`: shares by factor; `layers`; `cliff`: by tokens."""
    return {
        "histogram": _histogram(result["view"], text),
        "factor": _factor(result["view"], text),
        "layers": _layers(result["view"], text),
        "cliff": _cliff(result, text),
    }


def _histogram(view: Result, text: Text) -> Any:
    figure, bars = go.Figure(), np.asarray(view["histogram"])
    exponents = edges() + view["shift"]
    top, limits = ROOM * float(bars.max()), _limits(view)
    for kind in KINDS:
        low, high = limits[kind]
        inside = (exponents >= low) & (exponents < high)
        figure.add_bar(
            x=(exponents + 0.5 / PER_OCTAVE)[inside],
            y=100 * bars[inside],
            width=1 / PER_OCTAVE,
            name=text(f"q10.kind.{kind}"),
            meta={"role": ROLES[kind]},
            hovertemplate="2^%{x:.1f}: %{y:.2f} %<extra></extra>",
        )
    for exponent, label in (
        (view["window"]["zero"] + 1, "q10.edge.smallest"),
        (view["window"]["normal"], "q10.edge.normal"),
        (view["window"]["overflow"], "q10.edge.largest"),
    ):
        figure.add_scatter(
            x=[exponent] * 2,
            y=[0, 100 * top],
            mode="lines",
            meta={"role": "formula"},
            showlegend=False,
            hovertemplate=f"{text(label)}<extra></extra>",
        )
    for kind in KINDS:
        low, high = (
            min(max(edge, at), to)
            for edge, at, to in zip(
                limits[kind], *([end] * 2 for end in SHOWN[view["precision"]]), strict=True
            )
        )
        words = f"{text(f'q10.kind.{kind}')}<br><b>{percent(100 * view['shares'][kind])}</b>"
        figure.add_scatter(
            x=[(low + high) / 2],
            y=[93 * top],
            mode="text",
            text=[words],
            showlegend=False,
            hoverinfo="skip",
            meta={"role": ROLES[kind]},
        )
    figure.update_layout(barmode="overlay", bargap=0, showlegend=False)
    figure.update_xaxes(title=text("q10.axis.exponent"), range=SHOWN[view["precision"]])
    figure.update_yaxes(title=text("q10.axis.share"), range=[0, 100 * top])
    return figure


def _limits(view: Result) -> dict[str, tuple[float, float]]:
    """Exponents between which a number is of each kind."""
    at = view["window"]
    return {
        "zero": (-np.inf, at["zero"]),
        "subnormal": (at["zero"], at["normal"]),
        "normal": (at["normal"], at["overflow"]),
        "overflow": (at["overflow"], np.inf),
    }


def _factor(view: Result, text: Text) -> Any:
    figure, exponents = go.Figure(), [int(exponent) for exponent in view["curve"]]
    for kind, symbol in SYMBOLS.items():
        figure.add_scatter(
            x=exponents,
            y=[100 * each[kind] for each in view["curve"].values()],
            mode="lines",
            name=text("q10.moved"),
            meta={"role": "formula"},
            showlegend=kind == "zero",
            hovertemplate="2^%{x}: %{y:.2f} %<extra></extra>",
        )
        figure.add_scatter(
            x=view["exponents"],
            y=[100 * part for part in view["measured"][kind]],
            mode="markers",
            name=f"FP16: {text(f'q10.kind.{kind}')}",
            meta={"role": "measured"},
            marker={"symbol": symbol, "size": 10},
            hovertemplate="2^%{x}: %{y:.2f} %<extra></extra>",
        )
    skipped = [
        (exponent, bad) for exponent, bad in zip(view["exponents"], view["bad_gradients"], strict=True) if bad
    ]
    figure.add_scatter(
        x=[exponent for exponent, _ in skipped],
        y=[100] * len(skipped),
        mode="markers",
        name=text("q10.bad_gradients"),
        meta={"role": "said"},
        marker={"symbol": "x", "size": 10},
        customdata=[bad for _, bad in skipped],
        hovertemplate="2^%{x}: %{customdata:,}<extra></extra>",
    )
    figure.add_scatter(
        x=[view["shift"]] * 2,
        y=[0, 100],
        mode="lines",
        name=text("q10.here"),
        meta={"role": "peer"},
        hoverinfo="skip",
    )
    figure.update_xaxes(title=text("q10.axis.factor"))
    figure.update_yaxes(title=text("q10.axis.share"), range=[-3, 105])
    return figure


def _layers(view: Result, text: Text) -> Any:
    figure = go.Figure()
    names = [
        text("q10.logits") if group == "logits" else text("q10.layer") % group for group in view["layers"]
    ]
    for kind in KINDS:
        parts = [100 * each[kind] for each in view["layers"].values()]
        figure.add_bar(
            y=names,
            x=parts,
            orientation="h",
            name=text(f"q10.kind.{kind}"),
            meta={"role": ROLES[kind]},
            hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title=text("q10.axis.share"), range=[0, 100])
    figure.update_yaxes(type="category")
    return figure


def _cliff(result: Result, text: Text) -> Any:
    measured, formula, figure = result["cliff"], result["formula"], go.Figure()
    for name, label in (("zero_logits", "q10.zero_logits"), ("fresh", "q10.fresh_logits")):
        figure.add_scatter(
            x=formula["tokens"],
            y=[100 * share for share in formula[name]],
            mode="lines",
            line={"shape": "hv" if name == "zero_logits" else "linear"},
            name=f"{text(label)}, {text('q10.formula')}",
            meta={"role": "formula"},
            hovertemplate="N = %{x:,}: %{y:.2f} %<extra></extra>",
        )
    for name, label, symbol in (
        ("zero_logits", "q10.zero_logits", "circle"),
        ("own_logits", "q10.own_logits", "square"),
    ):
        figure.add_scatter(
            x=measured["tokens"],
            y=[100 * share for share in measured[name]],
            mode="markers",
            name=f"{text(label)}, {text('q10.measured')}",
            meta={"role": "measured"},
            marker={"symbol": symbol, "size": 9},
            hovertemplate="N = %{x:,}: %{y:.2f} %<extra></extra>",
        )
    figure.add_scatter(
        x=[result["view"]["tokens"]] * 2,
        y=[0, 100],
        mode="lines",
        name=text("q10.here"),
        meta={"role": "peer"},
        hoverinfo="skip",
    )
    figure.update_xaxes(title=text("q10.axis.tokens"), type="log")
    figure.update_yaxes(title=text("q10.axis.zero"), range=[-3, 103])
    return figure
