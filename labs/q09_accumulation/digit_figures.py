"""How the three arms on handwritten digits are drawn. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labs.contract import Words
from labs.contract.drawing import Figure
from labs.tools.written import small_number

STYLES: dict[str, dict[str, Any]] = {
    "big": {"role": "peer", "width": 6},
    "divided": {"role": "measured", "width": 2},
    "undivided": {"role": "measured", "symbol": "square", "size": 7, "marker": {"maxdisplayed": 24}},
}
"""The big batch is a broad grey line, on which the divided arm lies; the undivided one has marks."""
LOWEST_LOSS, HIGHEST_LOSS = 1e-3, 30.0
CHANCE = 15.0
"""Percent: who knows nothing of ten digits has fewer right."""
DEAD = 0.5
"""Percent: with fewer ReLUs above zero hardly a gradient comes through."""
MEAN_OF = 8
"""Updates that a point of a curve is the mean of: single batches jump."""


def smooth(losses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over the last few updates, as many as there are at the start.

    >>> smooth(np.array([2.0, 4.0], np.float32)).tolist()
    [2.0, 3.0]
    """
    sums = np.cumsum(np.insert(losses.astype(np.float64), 0, 0.0))
    ends = np.arange(1, len(losses) + 1)
    starts = np.maximum(0, ends - MEAN_OF)
    return ((sums[ends] - sums[starts]) / (ends - starts)).astype(np.float32)


def curves(losses: Mapping[str, NDArray[np.float32]], step: int, updates: int, text: Words) -> Figure:
    """Training loss by update at one rate; a curve ends with a cross where it is no longer finite."""
    figure, ends = Figure(), []
    for name, style in STYLES.items():
        column = losses[name][:, step] if len(losses[name]) else np.zeros(0, np.float32)
        finite = column[: int(np.argmin(np.isfinite(column)))] if not np.isfinite(column).all() else column
        drawn = np.clip(smooth(finite), LOWEST_LOSS, HIGHEST_LOSS)
        places = np.arange(1, len(drawn) + 1)
        figure.line(places, drawn, name=text(f"arm.{name}"), hover="%{x}: %{y:.3g}", **style)
        if not len(drawn):
            continue
        if len(finite) < len(column):
            figure.marks(places[-1:], drawn[-1:], "said", text("diverged"), hover="%{x}", symbol="x", size=12)
        ends.append((float(places[-1]), math.log10(drawn[-1]), text(f"short.{name}")))
    figure.x_axis(text("axis.update_number"), span=(0, updates * 1.16))
    low, high = math.log10(LOWEST_LOSS), math.log10(HIGHEST_LOSS)
    figure.y_axis(
        text("axis.loss"),
        log=True,
        span=(low, high),
        ticks={0.001: "0.001", 0.01: "0.01", 0.1: "0.1", 1: "1", 10: "10"},
    )
    figure.name_ends(ends, low, high, log=False)
    return figure


def rates(
    rates: Sequence[float], accuracy: Mapping[str, Sequence[float]], shift: int, chosen: float, text: Words
) -> Figure:
    """Accuracy against the rate; blue is the big batch's curve moved by `shift` rates to the left."""
    figure, hover = Figure(), "%{x:.4g}: %{y:.1f}%"
    figure.line(rates, accuracy["big"], "peer", text("arm.big"), hover=hover, symbol="circle", size=8)
    figure.marks(
        rates[: len(rates) - shift],
        accuracy["big"][shift:],
        "formula",
        text("moved" if shift else "same_curve"),
        hover=hover,
        symbol="line-ew-open",
        size=20,
    )
    figure.line(
        rates, accuracy["undivided"], "measured", text("arm.undivided"), hover=hover, symbol="square", size=7
    )
    figure.line([chosen] * 2, [0, 100], "peer", text("chosen"), width=1)
    low, high = math.log10(rates[0]), math.log10(rates[-1])
    figure.x_axis(
        text("axis.rate"),
        log=True,
        span=(low - 0.1, high + 0.1),
        ticks={rate: f"{rate:.3g}" for rate in rates[::2]},
    )
    figure.y_axis(text("axis.accuracy"), span=(0, 104))
    return figure


def notes(optimizer: str, view: Mapping[str, Any], difference: float | None, text: Words) -> list[str]:
    """What the three numbers are, who diverged, how far the right arms are apart, what would change it."""
    found = [text("digits.sentence", rate=view["rate"], optimizer=text(f"optimizer.{optimizer}"))]
    found += [
        text("note.diverged", arm=text(f"arm.{name}"), update=update)
        for name, update in view["diverged"].items()
        if update is not None
    ]
    if view["accuracy"]["undivided"] < CHANCE and view["diverged"]["undivided"] is None:
        dead = view["alive"] is not None and view["alive"] < DEAD
        found.append(text("note.dead" if dead else "note.lost", loss=view["last_loss"]))
    if difference is not None:
        found.append(text("note.apart", difference=small_number(difference)))
    return [*found, text("digits.change_adamw" if optimizer == "adamw" else "digits.change")]
