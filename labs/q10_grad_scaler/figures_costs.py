"""Draws what mixed precision costs and saves: the byte ledger, time a step, error of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q10_grad_scaler.analytic import MEGA
from labs.q10_grad_scaler.words import number

VARIANTS = ("fp32", "fp16", "bf16", "pure_bf16")
WAYS = ("fp32", "tf32", "fp16", "fp16_scaler", "bf16")
PARTS = {"states": "peer", "casts": "said", "activations": "measured"}
SAID_PERCENT = 50
MOST_TOKENS = 16_384


def memory(result: Result, text: Text) -> dict[str, Any]:
    """`ledger`: bytes by part of the chosen micro-batch; `saved`: percent against tokens."""
    return {"ledger": _ledger(result, text), "saved": _saved(result, text)}


def _ledger(result: Result, text: Text) -> Any:
    figure, chosen = go.Figure(), result["chosen"]
    names = [text(f"q10.variant.{name}") for name in VARIANTS]
    for part, role in PARTS.items():
        sizes = [
            sum(result["states"][name].values()) if part == "states" else chosen["bytes"][name][part]
            for name in VARIANTS
        ]
        figure.add_bar(
            y=names,
            x=[size / MEGA for size in sizes],
            orientation="h",
            name=text(f"q10.part.{part}"),
            meta={"role": role},
            text=[f"{size / MEGA:,.0f}" if size else "" for size in sizes],
            textposition="inside",
            insidetextanchor="middle",
            hovertemplate="%{y}: %{x:,.5g} MB<extra></extra>",
        )
    if result["counted_by"] == "peak":
        figure.add_scatter(
            y=names,
            x=[chosen["peak"][name] / MEGA for name in VARIANTS],
            mode="markers",
            name=text("q10.peak"),
            meta={"role": "formula"},
            marker={"symbol": "line-ns-open", "size": 20},
            hovertemplate="%{y}: %{x:,.5g} MB<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title=text("q10.axis.megabytes"))
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def _saved(result: Result, text: Text) -> Any:
    """The line follows from the bytes that each token keeps; the marks were measured."""
    figure, chosen = go.Figure(), result["chosen"]
    tokens = np.unique(np.geomspace(32, MOST_TOKENS, 60).astype(int))
    per_token = {name: chosen["bytes"][name]["activations"] / chosen["tokens"] for name in ("fp32", "fp16")}
    totals = {
        name: sum(result["states"][name].values()) + chosen["bytes"][name]["casts"] + each * tokens
        for name, each in per_token.items()
    }
    saved = 100 * (1 - totals["fp16"] / totals["fp32"])
    figure.add_scatter(
        x=tokens.tolist(),
        y=saved.tolist(),
        mode="lines",
        name=text("q10.counted"),
        meta={"role": "formula"},
        hovertemplate="%{x:,}: %{y:.1f} %<extra></extra>",
    )
    figure.add_scatter(
        x=[result[where]["tokens"] for where in ("small_batch", "chosen")],
        y=[result[where]["saved_percent"] for where in ("small_batch", "chosen")],
        mode="markers",
        name=text(f"q10.by_{result['counted_by']}"),
        meta={"role": "measured"},
        marker={"size": 12},
        hovertemplate="%{x:,}: %{y:.1f} %<extra></extra>",
    )
    figure.add_scatter(
        x=[32, MOST_TOKENS],
        y=[SAID_PERCENT] * 2,
        mode="lines",
        name=text("q10.said"),
        meta={"role": "said"},
        hoverinfo="skip",
    )
    figure.update_xaxes(title=text("q10.axis.micro_tokens"), type="log")
    figure.update_yaxes(title=text("q10.axis.saved"))
    return figure


def speed(result: Result, text: Text) -> dict[str, Any]:
    """`time`: milliseconds of a step by way and batch; `error`: of the gradient against FP32."""
    figure = go.Figure()
    for batch, role in (("small_batch", "peer"), ("large_batch", "measured")):
        row = result[batch]
        ways = [way for way in WAYS if way in row["milliseconds"]]
        times = [row["milliseconds"][way] for way in ways]
        figure.add_bar(
            x=[text(f"q10.way.{way}") for way in ways],
            y=times,
            name=f"{row['rows']} × {row['length']} {text('q10.tokens')}",
            meta={"role": role},
            text=[number(time) for time in times],
            textposition="outside",
            cliponaxis=False,
            error_y=_bars([row["spread"][way] for way in ways]),
            hovertemplate="%{x}: %{y:.4g} ms<extra></extra>",
        )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title=text("q10.axis.milliseconds"), rangemode="tozero")
    errors = go.Figure(
        go.Bar(
            x=[text(f"q10.way.{name}") for name in result["gradient_error"]],
            y=[100 * error for error in result["gradient_error"].values()],
            meta={"role": "measured"},
            text=[f"{100 * error:.2g} %" for error in result["gradient_error"].values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.3g} %<extra></extra>",
        )
    )
    errors.update_yaxes(title=text("q10.axis.gradient_error"))
    return {"time": figure, "error": errors}


def _bars(spans: list[dict[str, float]]) -> dict[str, Any]:
    """Error bars from each median to its quartiles."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [span["high"] - span["median"] for span in spans],
        "arrayminus": [span["median"] - span["low"] for span in spans],
    }
