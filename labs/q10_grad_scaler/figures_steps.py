"""Draws what happens from step to step: the scaler's scale, orders of calls, four trainings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q10_grad_scaler.params import ScalerParams
from labs.q10_grad_scaler.words import number
from labs.tools.ticks import power_ticks

MANY = 300
"""More steps than this are drawn as a line without marks."""
INIT_SCALE = ScalerParams().init_scale
FAR_RIGHT = 1e3
"""The label of a larger norm stands on its left."""
ARMS = {
    "fp32": ("peer", "circle"),
    "fp16_scaler": ("measured", "square"),
    "bf16": ("measured", "diamond"),
    "fp16": ("said", "x"),
}
"""Role and mark of a training; the one without scaler is what has to be noticed."""


def scaler(result: Result, text: Text) -> dict[str, Any]:
    """`scale`: after each step, formula and real, skipped steps marked; `tracker`: good steps in a row."""
    formula: Result = result.get("formula", result)
    return {"scale": _scale(result, formula, text), "tracker": _tracker(result, formula, text)}


def _scale(result: Result, formula: Result, text: Text) -> Any:
    figure, steps = go.Figure(), np.arange(len(formula["scale"]) + 1)
    figure.add_scatter(
        x=steps,
        y=[formula["init_scale"], *formula["scale"].tolist()],
        mode="lines",
        line={"shape": "hv"},
        name=text("q10.formula"),
        meta={"role": "formula"},
        hovertemplate="%{x}: %{y:,.6g}<extra></extra>",
    )
    if "formula" in result:
        applied = result["applied"].astype(bool)
        for name, role, symbol, chosen in (
            ("q10.applied", "measured", "circle", applied),
            ("q10.skipped", "said", "x", ~applied),
        ):
            marks = chosen if len(applied) <= MANY else chosen & (role == "said")
            figure.add_scatter(
                x=steps[1:][marks],
                y=result["scale"][marks].tolist(),
                mode="markers",
                name=text(name),
                meta={"role": role},
                marker={"symbol": symbol, "size": 8},
                hovertemplate="%{x}: %{y:,.6g}<extra></extra>",
            )
    figure.update_xaxes(title=text("q10.axis.step"), rangemode="tozero")
    shown = _powers([formula["init_scale"], *formula["scale"].tolist()])
    figure.update_yaxes(
        title=text("q10.axis.scale"),
        type="log",
        tickvals=shown,
        ticktext=[f"{power:,.6g}" for power in shown],
    )
    return figure


def _powers(occurring: list[float]) -> list[float]:
    """A handful of powers of two over the scales that occur."""
    scales = [scale for scale in occurring if scale > 0]
    low, high = math.floor(math.log2(min(scales))), math.ceil(math.log2(max(scales)))
    return [2.0**power for power in range(low, high + 1, max(1, (high - low) // 8))]


def _tracker(result: Result, formula: Result, text: Text) -> Any:
    steps = np.arange(1, len(formula["tracker"]) + 1)
    figure = go.Figure()
    figure.add_scatter(
        x=steps,
        y=formula["tracker"].tolist(),
        mode="lines",
        name=text("q10.formula"),
        line={"shape": "hv"},
        meta={"role": "formula"},
        hovertemplate="%{x}: %{y}<extra></extra>",
    )
    if "formula" in result:
        figure.add_scatter(
            x=steps,
            y=result["tracker"].tolist(),
            meta={"role": "measured"},
            mode="markers" if len(steps) <= MANY else "lines",
            name=text("q10.measured"),
            marker={"size": 6},
            hovertemplate="%{x}: %{y}<extra></extra>",
        )
    figure.update_xaxes(title=text("q10.axis.step"), rangemode="tozero")
    figure.update_yaxes(title=text("q10.axis.tracker"), rangemode="tozero")
    return figure


def orders(result: Result, text: Text) -> dict[str, Any]:
    """`handed`: the norm of the gradient that the optimizer was handed, by order of the calls."""
    ran = {name: each for name, each in result["orders"].items() if each["ran"]}
    stopped = {name: each for name, each in result["orders"].items() if not each["ran"]}
    figure = go.Figure()
    if ran:
        sides = ["middle left" if each["norm"] > FAR_RIGHT else "middle right" for each in ran.values()]
        figure.add_scatter(
            x=[each["norm"] for each in ran.values()],
            y=[text(f"q10.order.{name}") for name in ran],
            mode="markers+text",
            name=text("q10.handed"),
            meta={"role": "measured"},
            marker={"size": 13},
            text=[f"  {number(100 * each['relative_error'])} %  " for each in ran.values()],
            textposition=sides,
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        )
    right = result.get("clipped_norm", 1.0)
    if stopped:
        figure.add_scatter(
            x=[right] * len(stopped),
            y=[text(f"q10.order.{name}") for name in stopped],
            mode="markers+text",
            name=text("q10.stopped"),
            meta={"role": "said"},
            marker={"size": 13, "symbol": "x"},
            text=[f"  {each['error'].partition(':')[0]}" for each in stopped.values()],
            textposition="middle right",
            cliponaxis=False,
            hovertemplate="%{y}<extra></extra>",
        )
    names = [text(f"q10.order.{name}") for name in result["orders"]]
    figure.add_scatter(
        x=[right] * len(names),
        y=names,
        mode="lines",
        name=text("q10.right_norm"),
        meta={"role": "formula"},
        hoverinfo="skip",
    )
    figure.update_xaxes(
        title=text("q10.axis.norm"), type="log", range=[-8, 10], **power_ticks(1e-8, 1e10, every=4)
    )
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names[::-1])
    return {"handed": figure}


def duel(result: Result, text: Text) -> dict[str, Any]:
    """`loss`: the four curves; `scale`: of the one with scaler; `zeros`: of the last step's gradients."""
    if "zero_percent" not in result:
        return {"loss": _losses(result, text), "scale": _training_scale(result, text)}
    return {
        "loss": _losses(result, text),
        "scale": _training_scale(result, text),
        "zeros": _zeros(result, text),
    }


def _losses(result: Result, text: Text) -> Any:
    figure = go.Figure()
    for name, (role, symbol) in ARMS.items():
        losses = np.asarray(result["curves"][name]).tolist()
        figure.add_scatter(
            x=list(range(1, len(losses) + 1)),
            y=losses,
            mode="lines+markers",
            name=text(f"q10.arm.{name}"),
            meta={"role": role},
            marker={"symbol": symbol, "size": 6},
            hovertemplate="%{x}: %{y:.3f}<extra></extra>",
        )
    figure.update_xaxes(title=text("q10.axis.step"), range=[0, result["steps"] + 1])
    figure.update_yaxes(title=text("q10.axis.loss"))
    return figure


def _training_scale(result: Result, text: Text) -> Any:
    """Where the scale fell, the step was skipped."""
    scales = [INIT_SCALE, *np.asarray(result["scale"]).tolist()]
    figure = go.Figure()
    figure.add_scatter(
        x=list(range(len(scales))),
        y=scales,
        mode="lines",
        name=text("q10.arm.fp16_scaler"),
        line={"shape": "hv"},
        meta={"role": "measured"},
        hovertemplate="%{x}: %{y:,.6g}<extra></extra>",
    )
    skipped = [step for step in range(1, len(scales)) if scales[step] < scales[step - 1]]
    figure.add_scatter(
        x=skipped,
        y=[scales[step] for step in skipped],
        mode="markers",
        name=text("q10.skipped"),
        meta={"role": "said"},
        marker={"symbol": "x", "size": 8},
        hovertemplate="%{x}: %{y:,.6g}<extra></extra>",
    )
    shown = _powers(scales)
    figure.update_xaxes(title=text("q10.axis.step"), range=[0, result["steps"] + 1])
    figure.update_yaxes(
        title=text("q10.axis.scale"),
        type="log",
        tickvals=shown,
        ticktext=[f"{power:,.6g}" for power in shown],
    )
    return figure


def _zeros(result: Result, text: Text) -> Any:
    zeros = go.Figure()
    for name, (role, _) in ARMS.items():
        zeros.add_bar(
            y=[text(f"q10.arm.{name}")],
            x=[result["zero_percent"][name]],
            orientation="h",
            meta={"role": role},
            text=[f" {result['zero_percent'][name]:.3g} %"],
            textposition="outside",
            cliponaxis=False,
            showlegend=False,
            hovertemplate="%{y}: %{x:.4g} %<extra></extra>",
        )
    zeros.update_xaxes(title=text("q10.axis.zero_gradients"), range=[0, 125], tickvals=[0, 25, 50, 75, 100])
    zeros.update_yaxes(type="category", autorange="reversed")
    return zeros
