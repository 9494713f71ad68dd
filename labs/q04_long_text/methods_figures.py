"""What is drawn of the readings of one long text: losses, prices and masks. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labs.contract import Row, Words
from labs.contract.drawing import Figure
from labs.q04_long_text.options import BLOCKS

WAYS = {
    "overlap": "square",
    "full": "circle",
    "disjoint": "square-open",
    "local": "star",
    "sinks": "triangle-up",
    "yarn": "diamond",
}
"""The readings, and the symbol of each."""
READS_AS = {"full": "full", "overlap": "overlap", "disjoint": "disjoint", "local": "sinks"}
"""Which reading measures an option."""
GENERATES = {"truncate", "head_tail", "local", "full"}


def position(result: Mapping[str, Any], text: Words) -> Figure:
    """What each reading loses against overlapping windows, so that the text's own ups and downs cancel."""
    figure, positions = Figure(), result["position"]
    above = {way: nats - result["nats"]["overlap"] for way, nats in result["nats"].items()}
    ends = []
    for way, nats in above.items():
        name = text(f"way.{way}")
        figure.line(
            positions,
            nats,
            "measured",
            name,
            hover=f"{name}<br>%{{x:,}}: %{{y:+.3f}}",
            symbol=WAYS[way],
            size=7,
            showlegend=False,
        )
        ends.append((float(positions[-1]), float(nats[-1]), name))
    every = np.concatenate(list(above.values()))
    low, high = min(-0.25, float(every.min()) - 0.1), max(1.0, float(every.max()) + 0.1)
    figure.name_ends(ends, low, high, log=False)
    figure.line([result["trained"]] * 2, [low, high], "peer", text("trained"))
    figure.x_axis(text("axis.position"), span=(0, 1.5 * float(positions[-1])))
    figure.y_axis(text("axis.nats"), span=(low, high))
    return figure


def tradeoff(result: Mapping[str, Any], text: Words) -> Figure:
    """Each reading of the same part: what it takes, and how well it predicts beyond the trained length."""
    figure, gflop, perplexity = Figure(height=320), result["view"]["gflop"], result["perplexity"]
    for way in perplexity:
        name = text(f"way.{way}")
        hover = f"{name}<br>%{{x:,.1f}} GFLOP: %{{y:.4g}}"
        figure.marks(
            [gflop[way]],
            [perplexity[way]],
            "measured",
            name,
            symbol=WAYS[way],
            size=11,
            hover=hover,
            showlegend=False,
        )
    low, high = figure.log_axes(gflop.values(), perplexity.values(), room=0.6)
    ends = [(gflop[way], perplexity[way], text(f"way.{way}")) for way in perplexity]
    figure.name_ends(ends, low, high, log=True)
    figure.x_axis(text("axis.gflop"), ticks=_ticks(min(gflop.values()), max(gflop.values())))
    figure.y_axis(text("axis.perplexity"), ticks=_ticks(low, high))
    return figure


def _ticks(low: float, high: float) -> dict[float, str]:
    """Of values that may lie within a factor of two."""
    ticks = [digit * 10.0**power for power in range(5) for digit in (1, 1.5, 2, 3, 4, 5, 6, 8)]
    return {tick: f"{tick:,.4g}" for tick in ticks if 0.9 * low <= tick <= high}


def prices(result: Mapping[str, Any], text: Words) -> Figure:
    """Operations of every option, the dearest at the top."""
    options = sorted(result["options"], key=lambda name: result["options"][name]["gflop"])
    figure = Figure(height=300)
    figure.bars(
        [result["options"][name]["gflop"] for name in options],
        [text(f"option.{name}") for name in options],
        "formula",
        text("formula"),
        labels="{:,.1f}",
        horizontal=True,
        hover="%{y}: %{x:,.1f} GFLOP",
        showlegend=False,
    )
    figure.x_axis(text("axis.gflop"), span=(0, 1.2 * result["options"][options[-1]]["gflop"]))
    return figure


def mask(result: Mapping[str, Any], text: Words) -> Figure:
    """Which earlier token each token looks at; the future is left empty."""
    picture, figure = result["view"], Figure(height=420)
    places = [round((block + 0.5) * result["length"] / BLOCKS) for block in range(BLOCKS)]
    name = text(f"option.{picture['option']}")
    hover = f"{name}<br>{text('axis.query')} %{{y:,}}, {text('axis.key')} %{{x:,}}: %{{z:.0%}}"
    figure.heat(picture["visible"], places, places, "formula", hover=hover, zmin=0, zmax=1, xgap=1, ygap=1)
    figure.x_axis(text("axis.key"))
    figure.y_axis(text("axis.query"), reverse=True)
    return figure


def row(name: str, result: Mapping[str, Any], text: Words) -> Row:
    """What an option costs, and how well its reading predicts beyond the trained length."""
    price, reads_as = result["options"][name], READS_AS.get(name)
    kept = result["view"]["memory"][name]
    perplexity = result["perplexity"].get(reads_as or "", 0.0)
    return {
        text("column.option"): text(f"option.{name}"),
        text("column.tokens"): price["tokens"],
        text("column.read"): price["read_percent"],
        text("column.pairs"): price["pairs"],
        text("column.gflop"): price["gflop"],
        text("column.scores"): kept["scores_mib"],
        text("column.cache"): kept["cache_mib"] if name in GENERATES else "–",
        text("perplexity"): perplexity or "–",
        text("column.generates"): text("yes" if name in GENERATES else "no"),
        text("column.training"): text(f"training.{name}"),
    }
