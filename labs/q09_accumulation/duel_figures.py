"""The figures of the duel: losses and gradient norms of its arms, by update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Words
from labs.contract.drawing import Figure

ARMS: dict[str, dict[str, Any]] = {
    "big": {"role": "peer", "width": 6},
    "scaled": {"role": "said", "symbol": "x", "size": 7},
    "divided": {"role": "measured", "width": 2},
    "undivided": {"role": "measured", "symbol": "square", "size": 7},
}
"""How each is drawn: the divided one lies on the broad grey of the big batch."""
WIDER = 1.4
"""The axis over the run: room for the labels at the ends of the curves, on a phone too."""
HIGHEST = 20.0
"""Nats at which a curve is cut."""


class Curves(TypedDict):
    """Losses and norms of the gradient before the clip, by arm; an arm that has diverged is shorter."""

    updates: int
    """Of the whole run."""
    steps: int
    optimizer: str
    clip: str
    losses: dict[str, NDArray[np.float32]]
    norms: dict[str, NDArray[np.float32]]


def names_of(result: Curves, text: Words) -> dict[str, str]:
    """What each arm is called."""
    return {name: text(f"duel_arm.{name}", steps=result["steps"]) for name in ARMS}


def losses(result: Curves, text: Words) -> Figure:
    """Of every arm, with its name at the end; cut at `HIGHEST`."""
    figure, ends, names = Figure(height=400), [], names_of(result, text)
    values = [float(loss) for curve in result["losses"].values() for loss in curve if math.isfinite(loss)]
    least, most = (min(values), min(max(values), HIGHEST)) if values else (0.0, 10.0)
    low, high = least - max(0.2, (most - least) / 6), most + 0.2  # below, room for a label
    for name, look in ARMS.items():
        curve = np.clip(result["losses"][name], None, high)
        figure.line(_places(curve), curve, name=names[name], hover="%{x}: %{y:.3f}", **look)
        if len(curve):
            ends.append(
                (float(len(curve)), float(curve[-1]), text(f"short_arm.{name}", steps=result["steps"]))
            )
    figure.x_axis(text("axis.update_number"), span=(0, result["updates"] * WIDER))
    figure.y_axis(text("axis.nats"), span=(low, high))
    figure.name_ends(ends, low, high, log=False)
    return figure


def norms(result: Curves, limit: float | None, text: Words) -> Figure:
    """Of the gradients before the clip; what lies above `limit` is shortened to it."""
    figure, names = Figure(height=280), names_of(result, text)
    for name, look in ARMS.items():
        curve = result["norms"][name]
        figure.line(_places(curve), curve, name=names[name], hover="%{x}: %{y:.3g}", **look, showlegend=False)
    if limit is not None:
        figure.line([0, result["updates"]], [limit] * 2, "peer", text("clip_limit"), hover="%{y}", width=1)
    figure.x_axis(text("axis.update_number"), span=(0, result["updates"] * WIDER))
    figure.y_axis(text("axis.norm"), log=True)
    return figure


def _places(values: Sequence[float] | NDArray[np.float32]) -> NDArray[np.int64]:
    return np.arange(1, len(values) + 1)
