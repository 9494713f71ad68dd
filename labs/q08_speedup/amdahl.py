"""Gains that act on shares of a step: what they come to together, beside their product (Amdahl 1967)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import Calculator, Params, Shown, Words, real
from labs.contract.drawing import Figure, round_ticks

MOST = 100.0
POINTS = 41


@dataclass(frozen=True)
class AmdahlParams(Params):
    """A step is launches, arithmetic with its bytes, and nothing else; all of it is view."""

    launch_share: float = real(0.9, 0, 1, step=0.05, primary=True, view=True)
    launch_gain: float = real(10.0, 1, MOST, step=0.5, primary=True, view=True)
    arithmetic_gain: float = real(2.0, 1, MOST, step=0.5, primary=True, view=True)


class Gains(TypedDict):
    """Of the whole step: both together, each alone, the product that a roadmap promises, and the limits."""

    share: float
    together: float
    alone: dict[str, float]
    gains: dict[str, float]
    product: float
    limits: dict[str, float | None]
    """By what else stays as it is; None where nothing else is there."""
    curve: dict[str, list[float]]


class AmdahlResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[Gains]


class Amdahl(Calculator[AmdahlParams, AmdahlResult]):
    """What two gains come to together."""

    def view(self, params: AmdahlParams, result: AmdahlResult) -> Gains:
        share, launch, arithmetic = params.launch_share, params.launch_gain, params.arithmetic_gain
        factors = np.geomspace(1, MOST, POINTS).tolist()
        alone = {"launch": total(share, launch, 1), "arithmetic": total(share, 1, arithmetic)}
        return {
            "share": share,
            "together": total(share, launch, arithmetic),
            "alone": alone,
            "gains": {"launch": launch, "arithmetic": arithmetic},
            "product": launch * arithmetic,
            "limits": {
                "arithmetic": 1 / share if share else None,
                "launch": 1 / (1 - share) if share < 1 else None,
            },
            "curve": {
                "factor": factors,
                "launch": [total(share, factor, arithmetic) for factor in factors],
                "arithmetic": [total(share, launch, factor) for factor in factors],
            },
        }

    def show(self, result: AmdahlResult, text: Words) -> Shown:
        """`total`: of the step, while one of the two gains grows; the product of the two beside it."""
        view = result["view"]
        figure, factors = Figure(), view["curve"]["factor"]
        for name, symbol in (("launch", "circle"), ("arithmetic", "square")):
            curve = view["curve"][name]
            figure.line(factors, curve, "formula", showlegend=False, hover="%{x:.3g}× → %{y:.3g}×")
            figure.marks(
                [view["gains"][name]],
                [view["together"]],
                "formula",
                text(f"here.{name}"),
                symbol=symbol,
                size=11,
                hover="%{x:.3g}× → %{y:.3g}×",
            )
        figure.line(factors, factors, "said", text("whole_step"), hover="%{x:.3g}×")
        ticks = round_ticks(0.9, MOST)
        low, high = figure.log_axes(factors, [1.0, MOST], room=0.45)
        ends = [(MOST, view["curve"][name][-1], text(f"grows.{name}")) for name in ("launch", "arithmetic")]
        figure.name_ends(ends, low, high, log=True)
        figure.x_axis(text("axis.factor"), ticks=ticks)
        figure.y_axis(text("axis.total"), ticks=ticks)
        numbers = {
            text("together"): view["together"],
            text("product"): view["product"],
            text("alone.launch"): view["alone"]["launch"],
            text("alone.arithmetic"): view["alone"]["arithmetic"],
        }
        return Shown(
            {"total": figure},
            rows=[{text("gains"): name, text("axis.total"): number} for name, number in numbers.items()],
            notes=[
                text(
                    "amdahl.sentence",
                    share=f"{view['share']:.2f}",
                    together=f"{view['together']:.2f}",
                    product=f"{view['product']:.4g}",
                ),
                *_limits(view, text),
            ],
            numbers=numbers,
        )


def total(launch_share: float, launch_gain: float, arithmetic_gain: float) -> float:
    """How many times faster the step is.

    >>> round(total(0.9, 10, 2), 2), round(total(0.9, 1, 1e9), 2)
    (7.14, 1.11)
    """
    return 1 / (launch_share / launch_gain + (1 - launch_share) / arithmetic_gain)


def _limits(view: Gains, text: Words) -> list[str]:
    return [
        text(f"limit.{name}", limit=f"{limit:.2f}")
        for name, limit in view["limits"].items()
        if limit is not None
    ]
