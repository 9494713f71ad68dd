"""What is drawn of speculation: yield, speedup, acceptance by place, and the laws of two rules. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract import Figure, Words
from labs.q08_speedup.draft_rules import tokens_per_round

LONGEST = 16
"""Drafted tokens of a round, at most."""
ROOM = 1.75
"""Of the lines' own width, so that the longest name at an end can be read on a phone."""
SAID_SPEEDUP = 2.5
"""The middle of "2 to 3 times"."""


def figures(result: Mapping[str, Any], text: Words) -> dict[str, Figure]:
    """`yield` from the formula alone; after a run also `speedup`, `kept` and `law`."""
    drawn = {"yield": _yield(result, text)}
    if "laws" in result:
        drawn |= {
            "speedup": _speedup(result, text),
            "kept": _kept(result, text),
            "law": _law(result["laws"], result["view"]["shares"], text),
        }
    return drawn


def _yield(result: Mapping[str, Any], text: Words) -> Figure:
    figure, curves = Figure(), {result["acceptance"]: result["formula"]["curve"]}
    lengths = list(range(1, LONGEST + 1))
    if "measured_acceptance" in result:
        here = result["measured_acceptance"]
        curves[here] = [tokens_per_round(here, length) for length in lengths]
        figure.marks(
            [result["draft_length"]],
            [result["tokens_per_round"]],
            "measured",
            text("measured"),
            size=12,
            hover="%{x}: %{y:.2f}",
        )
    for number, curve in enumerate(curves.values()):
        name = text("formula") if number == 0 else None
        figure.line(lengths, curve, "formula", name, hover="%{x}: %{y:.2f}", showlegend=number == 0)
    ends = [
        (LONGEST, curve[-1], text("at_acceptance", acceptance=f"{rate:.2f}"))
        for rate, curve in curves.items()
    ]
    top = 1.1 * max(max(curve) for curve in curves.values())
    figure.name_ends(ends, 0, top, log=False)
    figure.x_axis(text("draft_length"), span=(0, 1.4 * LONGEST), tickvals=[1, 4, 8, 12, 16])
    figure.y_axis(text("axis.yield"), span=(0, top))
    return figure


def _speedup(result: Mapping[str, Any], text: Words) -> Figure:
    figure, gains = Figure(), result["speedup"]
    lengths = [int(length) for length in gains]
    figure.line(lengths, list(gains.values()), "measured", text("gain"), size=7, hover="%{x}: %{y:.2f}×")
    figure.line([lengths[0], lengths[-1]], [SAID_SPEEDUP] * 2, "said", text("said"))
    figure.line([lengths[0], lengths[-1]], [1, 1], "peer", text("plain"))
    figure.x_axis(text("draft_length"))
    figure.y_axis(text("axis.gain"), from_zero=True)
    return figure


def gains_by_length(
    gains: Mapping[str, Sequence[float]], names: Mapping[str, str], dashes: Mapping[str, str], text: Words
) -> Figure:
    """The speedup by draft length from 1 on, a line a draft, named at its end; above 1 it pays."""
    figure, lengths = Figure(), list(range(1, LONGEST + 1))
    for draft, values in gains.items():
        figure.line(
            lengths,
            values,
            "measured",
            names[draft],
            hover="%{x}: %{y:.2f}×",
            line={"dash": dashes[draft]},
            showlegend=False,
        )
    figure.line([1, LONGEST], [1, 1], "peer", text("plain"))
    top = 1.15 * max(1.0, *(max(values) for values in gains.values()))
    ends = [(LONGEST, values[-1], names[draft]) for draft, values in gains.items()]
    figure.name_ends(ends, 0, top, log=False)
    figure.x_axis(text("draft_length"), span=(0, ROOM * LONGEST), tickvals=[1, 4, 8, 12, 16])
    figure.y_axis(text("axis.gain"), span=(0, top))
    return figure


def _kept(result: Mapping[str, Any], text: Words) -> Figure:
    figure = Figure()
    places = [place + 1 for place, tried in enumerate(result["tried"]) if tried]
    shares = [result["kept"][place - 1] for place in places]
    figure.bars(places, shares, "measured", text("measured"), labels="{:.2f}", hover="%{x}: %{y:.3f}")
    figure.line(
        [0.5, len(result["tried"]) + 0.5], [result["measured_acceptance"]] * 2, "formula", text("all_places")
    )
    figure.x_axis(text("place"), dtick=1)
    figure.y_axis(text("axis.kept"), span=(0, 1.05))
    return figure


def _law(found: Mapping[str, Any], typical: Sequence[float], text: Words) -> Figure:
    figure = Figure(barmode="group")
    tokens = [str(place + 1) for place in range(len(found["target"]))]
    figure.bars(tokens, found["target"], "formula", text("target_law"), hover="%{x}: %{y:.4f}")
    for rule, role in (("exact", "measured"), ("equal", "said")):
        figure.bars(tokens, found["shares"][rule], role, text(f"rule.{rule}"), hover="%{x}: %{y:.4f}")  # type: ignore[arg-type]
    figure.bars(tokens, typical, "peer", text("rule.typical"), hover="%{x}: %{y:.4f}")
    figure.x_axis(text("token"), category=True)
    figure.y_axis(text("axis.share"), from_zero=True)
    return figure
