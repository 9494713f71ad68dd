"""What is drawn of the two prefixes: losses by place, and how long the texts are the same. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.contract import Words
from labs.contract.drawing import Figure, Role, error_bars


def by_place(result: Mapping[str, Any], text: Words) -> Figure:
    """The three losses by place, bars show one standard error."""
    figure = Figure()
    looks: dict[str, tuple[Role, str]] = {
        "forced": ("said", "circle"),
        "free": ("measured", "diamond"),
        "own": ("peer", "square"),
    }
    for kind, (role, symbol) in looks.items():
        losses = result["loss"][kind]
        spans = [
            {"low": loss - error, "high": loss + error}
            for loss, error in zip(losses, result["spread"][kind], strict=True)
        ]
        figure.line(
            result["places"],
            losses,
            role,
            text(f"free_running.{kind}"),
            symbol=symbol,
            size=8,
            hover="%{x}: %{y:.2f}",
            error_y=error_bars(losses, spans),
        )
    highest = max(max(losses) for losses in result["loss"].values())
    figure.x_axis(text("axis.new_tokens"), span=(0, result["places"][-1] + result["places"][0]))
    figure.y_axis(text("axis.mean_loss"), span=(0, 1.15 * highest))
    return figure


def still_true(result: Mapping[str, Any], text: Words) -> Figure:
    """The first tokens decide; the rest of the axis would be empty."""
    shown = 13
    figure, steps = Figure(height=280), list(range(shown))
    figure.line(
        steps,
        100 * result["together_formula"][:shown],
        "formula",
        text("free_running.product"),
        hover="%{x}: %{y:.1f}%",
    )
    figure.marks(
        steps,
        100 * result["together"][:shown],
        "measured",
        text("free_running.still_true"),
        symbol="circle",
        size=9,
        hover="%{x}: %{y:.1f}%",
    )
    figure.x_axis(text("axis.new_tokens"), span=(-0.3, shown - 0.7))
    figure.y_axis(text("axis.still_true"), span=(-3, 104), ticksuffix="%")
    return figure
