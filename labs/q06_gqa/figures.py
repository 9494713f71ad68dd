"""The plots of Question 6, from results alone. Colours and fonts are the page's (see contract.py).

`decode` and `cache` also draw the formula's side alone, so that their sliders need no run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from labs.contract.columns import Result, Text
from labs.q06_gqa.analytic import MEGA, SHARED, VARIANTS, cache_bytes
from labs.q06_gqa.params import BITS, QUERY_HEADS
from labs.q06_gqa.published import changes
from labs.tools.line_ends import name_ends
from labs.tools.seeds.dots import dots
from labs.tools.seeds.telling import words

HEADS = (8, 4, 2, 1)
SYMBOLS = {"mha": "circle", "gqa": "square", "mqa": "diamond"}
WAYS = ("mha", "native", "grouped", "repeat")
_FIRST = next(iter(VARIANTS))
"""Lines are named at their ends; the legend names a kind of line once."""


def decode(result: Result, text: Text) -> dict[str, Any]:
    """`speedup`: over MHA against batch, byte model and measurement; `rate`: tokens a second, measured."""
    if "byte_model" not in result:
        return {"speedup": _speedup(result, text)}
    return {"speedup": _speedup(result, text), "rate": _rate(result, text)}


def _speedup(result: Result, text: Text) -> Any:
    model, figure = result.get("byte_model", result), go.Figure()
    measured = SHARED if "byte_model" in result else ()
    for name in SHARED:
        line = model["speedup"][name]
        figure.add_scatter(
            x=_batches(line),
            y=list(line.values()),
            mode="lines+text",
            meta={"role": "formula"},
            text=[""] * (len(line) - 1) + [f"{text(f'q06.{name}')} "],
            textposition="top left",
            name=text("q06.byte_model"),
            showlegend=name == SHARED[0],
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.2f}×<extra></extra>",
        )
    for name in measured:
        points, spread = result["speedup"][name], result["spread"][name]
        figure.add_scatter(
            x=_batches(points),
            y=list(points.values()),
            mode="markers+lines",
            meta={"role": "measured"},
            name=f"{text('q06.measured')}, {text(f'q06.{name}')}",
            marker={"symbol": SYMBOLS[name], "size": 10},
            error_y=_bars(list(points.values()), spread.values()),
            hovertemplate="%{x}: %{y:.2f}×<extra></extra>",
        )
    figure.add_scatter(
        x=[model["batches"][0], model["batches"][-1]],
        y=[model["said"]] * 2,
        mode="lines",
        name=text("q06.said"),
        meta={"role": "said"},
        hoverinfo="skip",
    )
    highest = [each["high"] for each in result["spread"]["mqa"].values()] if measured else []
    top = 1.1 * max(*model["limit"].values(), *highest)
    figure.add_scatter(
        x=[model["break_even"]["gqa"]] * 2,
        y=[0, top],
        mode="lines+text",
        showlegend=False,
        text=[f" {text('q06.break_even')}", ""],
        textposition="top right",
        meta={"role": "peer"},
        hoverinfo="skip",
    )
    _batch_axis(figure, text, model["batches"])
    figure.update_yaxes(title=text("q06.axis.speedup"), range=[0, top])
    return figure


def _rate(result: Result, text: Text) -> Any:
    figure = go.Figure()
    for name in VARIANTS:
        bound, speeds = result["byte_model_tokens_per_second"][name], result["tokens_per_second"][name]
        figure.add_scatter(
            x=_batches(bound),
            y=list(bound.values()),
            mode="lines",
            meta={"role": "formula"},
            name=text("q06.byte_model"),
            showlegend=name == _FIRST,
            hovertemplate="%{x}: %{y:,.0f}<extra></extra>",
        )
        medians = [each["median"] for each in speeds.values()]
        figure.add_scatter(
            x=_batches(speeds),
            y=medians,
            mode="markers+lines+text",
            meta={"role": "measured"},
            name=text("q06.measured"),
            showlegend=name == _FIRST,
            marker={"symbol": SYMBOLS[name], "size": 9},
            text=[""] * (len(medians) - 1) + [f" {text(f'q06.{name}')}"],
            textposition="middle right",
            cliponaxis=False,
            error_y=_bars(medians, speeds.values()),
            hovertemplate="%{x}: %{y:,.0f}<extra></extra>",
        )
    _batch_axis(figure, text, result["batches"])
    figure.update_yaxes(title=text("q06.axis.rate"), type="log")
    return figure


def cache(result: Result, text: Text) -> dict[str, Any]:
    """`bytes`: the cache by KV heads, the formula and what was added up; `capacity`: sequences on a card."""
    asked: Result = result.get("asked", result)
    bits, batch, tokens = BITS[asked["cache_type"]], asked["batch"], asked["tokens"]
    view: Result = result.get("view", asked)
    names = [str(heads) for heads in HEADS]
    amounts = [cache_bytes(heads, tokens, batch, bits) / MEGA for heads in HEADS]
    figure = go.Figure()
    figure.add_bar(
        x=names,
        y=amounts,
        name=text("q06.formula"),
        meta={"role": "formula"},
        text=[f"{amount:,.4g}" for amount in amounts],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{x}: %{y:,.5g} MB<extra></extra>",
    )
    if "asked" in result and not result["capped"]:
        figure.add_scatter(
            x=[str(result["kv_heads"])],
            y=[result["megabytes"]],
            mode="markers",
            name=text("q06.measured"),
            meta={"role": "measured"},
            marker={"size": 13},
            hovertemplate="%{y:,.5g} MB<extra></extra>",
        )
    figure.add_scatter(
        x=names,
        y=[asked["weights_bytes"] / MEGA] * len(names),
        mode="lines",
        name=text("q06.weights"),
        meta={"role": "peer"},
        hovertemplate="%{y:,.4g} MB<extra></extra>",
    )
    figure.update_xaxes(title=text("q06.axis.kv_heads"), type="category")
    figure.update_yaxes(title=text("q06.axis.megabytes"))
    room = view["capacity"]
    card = go.Figure(
        go.Bar(
            x=names,
            y=[room[name] for name in names],
            meta={"role": "formula"},
            text=[f"{room[name]:,}" for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:,}<extra></extra>",
        )
    )
    card.update_xaxes(title=text("q06.axis.kv_heads"), type="category")
    card.update_yaxes(title=text("q06.axis.sequences"))
    return {"bytes": figure, "capacity": card}


def wiring(result: Result, text: Text) -> dict[str, Any]:
    """`wiring`: a line from each query head to the KV head that it read; wrong ones stand out."""
    reads, right = result["view"]["reads"], result["formula"]["grouped"]
    spots = [(head + 0.5) * QUERY_HEADS / result["kv_heads"] - 0.5 for head in range(result["kv_heads"])]
    figure = go.Figure()
    for role, name, wanted in (("measured", "q06.reads", True), ("said", "q06.reads_wrong", False)):
        across: list[float | None] = []
        up: list[float | None] = []
        for head, source in enumerate(reads):
            if (source == right[head]) is wanted:
                across += [head, spots[source], None]
                up += [1, 0, None]
        if across:
            figure.add_scatter(
                x=across,
                y=up,
                mode="lines",
                name=text(name),
                meta={"role": role},
                line={"width": 2.5},
                hoverinfo="skip",
            )
    for height, places, label in ((1, list(range(QUERY_HEADS)), "Q"), (0, spots, "KV ")):
        figure.add_scatter(
            x=places,
            y=[height] * len(places),
            mode="markers+text",
            showlegend=False,
            text=[f"{label}{head}" for head in range(len(places))],
            meta={"role": "peer"},
            textposition="top center" if height else "bottom center",
            marker={"size": 14},
            hoverinfo="skip",
            cliponaxis=False,
        )
    figure.update_xaxes(visible=False, range=[-0.7, QUERY_HEADS - 0.3])
    figure.update_yaxes(visible=False, range=[-0.35, 1.35])
    return {"wiring": figure}


def layer(result: Result, text: Text) -> dict[str, Any]:
    """`time`: milliseconds of each way; `extra`: new memory that a call asks for."""
    names, times = [text(f"q06.way.{way}") for way in WAYS], result["milliseconds"]
    medians = [times[way]["median"] for way in WAYS]
    figure = go.Figure(
        go.Bar(
            x=names,
            y=medians,
            meta={"role": "measured"},
            error_y=_bars(medians, [times[way] for way in WAYS]),
            text=[f"{median:.3g}" for median in medians],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.3g} ms<extra></extra>",
        )
    )
    figure.update_yaxes(title=text("q06.axis.milliseconds"))
    amounts = [result["extra_bytes"][way] / MEGA for way in WAYS]
    extra = go.Figure(
        go.Bar(
            x=names,
            y=amounts,
            meta={"role": "measured"},
            text=[f"{amount:.3g}" for amount in amounts],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.4g} MB<extra></extra>",
        )
    )
    extra.update_yaxes(title=text("q06.axis.extra"))
    return {"time": figure, "extra": extra}


def quality(result: Result, text: Text) -> dict[str, Any]:
    """`perplexity`: the specimens with intervals; `published`: the change against MHA in four papers."""
    names, medians = [text(f"q06.{name}") for name in VARIANTS], [result["perplexity"][n] for n in VARIANTS]
    spans = [result["perplexity_interval"][name] for name in VARIANTS]
    figure = go.Figure(
        go.Scatter(
            x=names,
            y=medians,
            mode="markers",
            meta={"role": "measured"},
            marker={"size": 11},
            error_y=_bars(medians, spans),
            hovertemplate="%{x}: %{y:.2f}<extra></extra>",
        )
    )
    figure.update_xaxes(range=[-0.5, len(names) - 0.5])
    figure.update_yaxes(title=text("q06.axis.perplexity"))
    papers = go.Figure()
    for name in SHARED:
        found = changes(name)
        papers.add_scatter(
            x=list(found.values()),
            y=[text(f"q06.paper.{paper}") for paper in found],
            mode="markers",
            name=text(f"q06.paper.{name}"),
            meta={"role": "peer"},
            marker={"symbol": SYMBOLS[name], "size": 11},
            hovertemplate="%{y}: %{x:+.1f}%<extra></extra>",
        )
    papers.update_xaxes(title=text("q06.axis.worse"), zeroline=True)
    return {"perplexity": figure, "published": papers}


def convert(result: Result, text: Text) -> dict[str, Any]:
    """`curves`: training loss after pooling; `perplexity`: held-out text before and after."""
    figure, names = go.Figure(), list(result["perplexity"])
    for losses in result["curves"].values():
        figure.add_scatter(
            x=list(range(1, len(losses) + 1)),
            y=losses,
            mode="lines",
            meta={"role": "measured"},
            showlegend=False,
            hovertemplate="%{x}: %{y:.2f}<extra></extra>",
        )
    _name_curves(figure, result["curves"])
    figure.update_xaxes(title=text("q06.axis.step"))
    figure.update_yaxes(title=text("q06.axis.loss"))
    points = go.Figure()
    for when, role, symbol, side in (
        ("before", "removed", "circle-open", "left"),
        ("after", "measured", "circle", "right"),
    ):
        values = [result["perplexity"][name][when] for name in names]
        points.add_scatter(
            x=names,
            y=values,
            mode="markers+text",
            name=text(f"q06.{when}"),
            meta={"role": role},
            text=[f" {value:.3g} " for value in values],
            textposition=f"middle {side}",
            marker={"symbol": symbol, "size": 11},
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        )
    points.update_xaxes(title=text("q06.axis.kv_heads"), type="category", range=[-0.5, len(names) - 0.4])
    points.update_yaxes(title=text("q06.axis.perplexity"), type="log")
    return {"perplexity": points, "curves": figure}


def _name_curves(figure: Any, curves: Mapping[str, Sequence[float]]) -> None:
    """Each curve's KV heads at its end; without training on there are no curves."""
    if not all(map(len, curves.values())):
        return
    low, high = (edge(edge(losses) for losses in curves.values()) for edge in (min, max))
    ends = [(len(losses), losses[-1], name) for name, losses in curves.items()]
    name_ends(figure, ends, low, high, log=False)


def seeds(result: Result, text: Text) -> dict[str, Any]:
    """`loss`: held-out loss by kind, one dot a seed."""
    own = words(text, "q06")
    names = {kind: own(kind) for kind in VARIANTS}
    return {"loss": dots(result["loss"], names, result["seeds"], own("axis"), own)}


def _batch_axis(figure: Any, text: Text, batches: list[int]) -> None:
    """A logarithmic axis with the batches as they are; every second of many."""
    shown = batches[::2] if len(batches) > 7 else batches
    first, last = math.log10(batches[0]), math.log10(batches[-1])
    room = max(last - first, 0.3)  # the lines end in their names
    figure.update_xaxes(
        title=text("q06.axis.batch"),
        type="log",
        tickvals=shown,
        range=[first - 0.05 * room, last + 0.3 * room],
        ticktext=[f"{batch:,}" for batch in shown],
    )


def _batches(row: dict[str, Any]) -> list[int]:
    return [int(batch) for batch in row]


def _bars(centres: list[float], spans: Any) -> dict[str, Any]:
    """Error bars from each centre to its low and high."""
    spans = list(spans)
    return {
        "type": "data",
        "symmetric": False,
        "array": [span["high"] - centre for centre, span in zip(centres, spans, strict=True)],
        "arrayminus": [centre - span["low"] for centre, span in zip(centres, spans, strict=True)],
    }
