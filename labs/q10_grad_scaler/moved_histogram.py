"""FP32 gradients at places of a model, moved into a format's window by a factor on the loss. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Figure, Floats, Ints, Role, Words
from labs.tools.number_formats import EDGES, FORMATS, KINDS, PER_OCTAVE, Shares, shares
from labs.tools.written import short_percent

ROLES: dict[str, Role] = {"zero": "removed", "subnormal": "peer", "normal": "measured", "overflow": "said"}
"""What fits is measured, what is cut off is removed, and Inf is what has to be noticed."""
SPANS = {"fp16": (-62, 32), "bf16": (-150, 142), "fp32": (-162, 142)}
"""Exponents of the histogram's axis, wide enough for the window to be to scale."""
ROOM = 1.3
"""Height of the histogram's plot over its highest bar, for the words above."""
CURVE = range(-20, 25)


class Place(TypedDict):
    """The gradient at one place of a model: |g| int32 [bins] by exponent, and how many are zero.

    `group` is "logits" or the number of the layer.
    """

    group: str
    histogram: Ints
    zeros: int


class Moved(TypedDict):
    """Histogram and shares of a group of places after a move by 2^shift, and the shares of all layers.

    `curve` has the group's shares by shift.
    """

    shift: int
    precision: str
    histogram: Floats
    shares: Shares
    curve: dict[str, Shares]
    layers: dict[str, Shares]


def moved(places: Mapping[str, Place], where: str, shift: int, precision: str) -> Moved:
    """The places of the group `where` ("all", "logits" or a layer's number) in a format's window."""
    histogram, zeros = _summed(places, where)
    groups = dict.fromkeys(place["group"] for place in places.values())
    return {
        "shift": shift,
        "precision": precision,
        "histogram": (histogram / max(histogram.sum() + zeros, 1)).astype(np.float32),
        "shares": shares(histogram, zeros, shift, precision),
        "curve": {str(exponent): shares(histogram, zeros, exponent, precision) for exponent in CURVE},
        "layers": {group: shares(*_summed(places, group), shift, precision) for group in groups},
    }


def _summed(places: Mapping[str, Place], group: str) -> tuple[NDArray[np.int64], int]:
    chosen = [place for place in places.values() if group in ("all", place["group"])]
    histogram = np.stack([place["histogram"] for place in chosen]).sum(0)
    return histogram, sum(place["zeros"] for place in chosen)


def drawn_histogram(moved: Moved, text: Words) -> Figure:
    """Bars by kind, the window's edges, and above them each kind's share."""
    figure, bars, name = Figure(barmode="overlay"), 100 * moved["histogram"], moved["precision"]
    exponents, top, format = EDGES + moved["shift"], ROOM * float(bars.max()), FORMATS[name]
    for kind, (low, high) in format.limits().items():
        inside = (exponents >= low) & (exponents < high)
        figure.bars(
            (exponents + 0.5 / PER_OCTAVE)[inside],
            bars[inside],
            ROLES[kind],
            text(f"kind.{kind}"),
            width=1 / PER_OCTAVE,
            hover="2^%{x:.1f}: %{y:.2f}%",
        )
    for exponent, edge in (
        (format.zero + 1, "smallest"),
        (format.normal, "normal"),
        (format.overflow, "largest"),
    ):
        figure.line([exponent] * 2, [0, top], "formula", hover=text(f"edge.{edge}"), showlegend=False)
    for kind, limits in format.limits().items():
        share = short_percent(100 * moved["shares"][kind])
        centre = float(np.clip(limits, *SPANS[name]).mean())
        figure.words([centre], [0.93 * top], [f"{text(f'kind.{kind}')}<br><b>{share}</b>"])
    figure.layout |= {"bargap": 0, "showlegend": False}
    figure.x_axis(text("axis.exponent"), span=SPANS[name])
    figure.y_axis(text("axis.share"), span=(0, top))
    return figure


def drawn_layers(layers: dict[str, Shares], text: Words) -> Figure:
    """Shares of each layer in the chosen format."""
    figure = Figure(barmode="stack")
    names = [text("logits") if group == "logits" else text("layer", number=group) for group in layers]
    for kind in KINDS:
        parts = [100 * shares[kind] for shares in layers.values()]
        hover = "%{y}: %{x:.2f}%"
        figure.bars(parts, names, ROLES[kind], text(f"kind.{kind}"), hover=hover, horizontal=True)
    figure.x_axis(text("axis.share"), span=(0, 100))
    figure.y_axis(category=True)
    return figure
