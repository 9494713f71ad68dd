"""What is drawn and said of recall: by length, by depth, by distance, and while it is learned. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from labs.contract import Words
from labs.contract.drawing import Figure
from labs.q04_long_text.recall_sizes import ARMS, BINS, CHANCE, DEPTHS, LAYERS, LEARNING, SURE
from labs.tools.named_lines import ROOM

TOP = 105
"""Of an axis in percent."""


def lengths(result: Mapping[str, Any], text: Words) -> Figure:
    """Recall of every arm by the length of the text; the first is the trained one."""
    figure, x = Figure(height=380), result["lengths"]
    ends = []
    for arm, found in result["arms"].items():
        name, percents = text(f"arm.{arm}"), found["by_length"]
        hover = f"{name}<br>%{{x:,}}: %{{y:.1f}}%"
        figure.line(x, percents, "measured", name, symbol=ARMS[arm], size=9, showlegend=False, hover=hover)
        ends.append((x[-1], percents[-1], name))
    _chance(figure, x[0], x[-1], text)
    _name(figure, ends, log=True)
    width = math.log10(x[-1] / x[0])
    figure.x_axis(
        text("axis.text"),
        log=True,
        span=(math.log10(x[0]) - 0.04 * width, math.log10(x[-1]) + ROOM * width),
        ticks={length: f"{length:,}" for length in x},
    )
    figure.y_axis(text("axis.recall"), span=(0, TOP), ticksuffix="%")
    return figure


def heat_map(result: Mapping[str, Any], text: Words) -> Figure:
    """One arm: length across, the fact's place down; the wall of window attention is drawn."""
    figure, arm = Figure(height=340), result["view"]["arm"]
    x = [f"{length:,}" for length in result["lengths"]]
    middles = [100 * (part + 0.5) / DEPTHS for part in range(DEPTHS)]
    hover = f"{text(f'arm.{arm}')}<br>%{{x}}, %{{y:.0f}}%: %{{z:.0f}}%"
    figure.heat(result["arms"][arm]["map"], x, middles, "measured", hover=hover, zmin=0, zmax=100)
    if arm == "window":
        wall = [max(0.0, 100 * (1 - result["reach"] / length)) for length in result["lengths"]]
        label = text("recall.wall")
        figure.line(
            x, wall, "formula", label, symbol="line-ew", size=12, hover=f"{label}<br>%{{x}}: %{{y:.0f}}%"
        )
    figure.x_axis(f"{text('axis.text')} ({text(f'arm.{arm}')})", category=True)
    figure.y_axis(text("axis.place"), span=(100, 0), ticksuffix="%", showgrid=False)
    return figure


def distance(result: Mapping[str, Any], text: Words) -> Figure:
    """Recall at the trained length by how far back the fact lies, and the wall of window attention."""
    figure, trained = Figure(height=340), result["trained"]
    x = (np.arange(BINS) + 0.5) * trained / BINS
    ends = []
    for arm in ("full", "window", "hierarchy"):
        name, percents = text(f"arm.{arm}"), result["arms"][arm]["by_distance"]
        hover = f"{name}<br>%{{x:.0f}}: %{{y:.0f}}%"
        figure.line(x, percents, "measured", name, symbol=ARMS[arm], size=8, showlegend=False, hover=hover)
        ends.append((float(x[-1]), float(np.nan_to_num(percents[-1])), name))
    for back, name in ((result["window"] - 1, "recall.one_window"), (result["reach"], "recall.wall")):
        label = text(name, back=back)
        figure.line([back] * 2, [0, TOP], "formula", label, hover=f"{label}: {back:,}")
    _chance(figure, 0, trained, text)
    _name(figure, ends, log=False)
    figure.x_axis(text("axis.distance_back"), span=(0, 1.4 * trained))
    figure.y_axis(text("axis.recall"), span=(0, TOP), ticksuffix="%")
    return figure


def learning(result: Mapping[str, Any], text: Words) -> Figure:
    """Recall of new texts while each arm learns: short ones in the first half of the steps."""
    figure, steps = Figure(height=320), result["steps"]
    ends = []
    for arm, curve in result["curves"].items():
        name = text(f"arm.{arm}")
        hover = f"{name}<br>%{{x:.0f}}: %{{y:.0f}}%"
        figure.line(
            curve["steps"],
            curve["percent"],
            "measured",
            name,
            symbol=ARMS[arm],
            size=6,
            showlegend=False,
            hover=hover,
        )
        ends.append((float(curve["steps"][-1]), float(curve["percent"][-1]), name))
    _chance(figure, 0, steps, text)
    _name(figure, ends, log=False)
    figure.x_axis(text("axis.step"), span=(0, 1.45 * steps))
    figure.y_axis(text("axis.recall"), span=(0, TOP), ticksuffix="%")
    return figure


def notes(result: Mapping[str, Any], text: Words) -> list[str]:
    """What was trained, what came of it, and first of all which arm did not learn its own task."""
    arms, seeds = result["arms"], result["seeds"]
    failed = [arm for arm in LEARNING if arms[arm]["learned"] < seeds]
    diverged = [arm for arm, curve in result["curves"].items() if not np.isfinite(curve["nats"]).all()]
    own, longest = result["own"], result["longest"]
    return [
        text("recall.sentence", trained=result["trained"], layers=LAYERS, window=result["window"]),
        *(text("recall.diverged", arm=text(f"arm.{arm}")) for arm in diverged),
        *(
            text(
                "recall.failed",
                arm=text(f"arm.{arm}"),
                failed=seeds - arms[arm]["learned"],
                seeds=seeds,
                own=own[arm],
                sure=SURE,
            )
            for arm in failed
        ),
        text("recall.note", times=result["lengths"][-1] // result["trained"], **longest),
        text(
            "recall.levels",
            chunk=result["chunk"],
            named=arms["hierarchy"]["chunks"][0],
            named_longest=arms["hierarchy"]["chunks"][-1],
            own=own["hierarchy"],
        ),
        text("recall.trained", **{name: result[name] for name in TOLD}, chance=CHANCE),
        text("recall.change"),
    ]


TOLD = ("parameters", "steps", "trained", "seeds", "questions", "tuned_steps", "tuned_length")
"""Of a result, what the note on the training tells."""


def _chance(figure: Figure, start: float, end: float, text: Words) -> None:
    name = text("recall.chance")
    figure.line([start, end], [CHANCE] * 2, "peer", name, hover=f"{name}: {CHANCE:.1f}%")


def _name(figure: Figure, ends: list[tuple[float, float, str]], *, log: bool) -> None:
    """Names at the ends of lines over an axis in percent, whose x may be logarithmic."""
    placed = [(math.log10(x) if log else x, y if math.isfinite(y) else 0.0, name) for x, y, name in ends]
    figure.name_ends(placed, 0, TOP, log=False)
