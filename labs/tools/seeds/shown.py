"""What a reader sees of a series of trainings: dots by kind, the verdict, conditions and table. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract import Data, Partials, Row, Words
from labs.contract.drawing import Figure
from labs.tools.ranking import UNRESOLVED
from labs.tools.seeds.plans import PLANS

SPREAD = 0.3
"""The share of a lane over which its dots are set apart."""
LANE, FRAME = 58, 120
"""Pixels of a lane, and of all that stands around them."""


def finished(partials: Partials, key: str) -> dict[str, list[Any]]:
    """The values under `key` of the finished models by kind, in the order of the seeds."""
    values: dict[str, list[Any]] = {}
    for partial in partials:
        values.setdefault(partial["kind"], []).append(partial[key])
    return values


def dots(
    values: Mapping[str, Sequence[float]], names: Mapping[str, str], seeds: int, title: str, text: Words
) -> Figure:
    """A lane for each kind of `names`, in their order, one dot a seed on the range over seeds.

    Kinds without values keep their lanes empty. `title` is that of the axis.
    """
    figure, lanes = Figure(height=FRAME + LANE * len(names)), [kind for kind in names if values.get(kind)]
    heights = {kind: index for index, kind in enumerate(names)}
    across: list[float | None] = []
    up: list[float | None] = []
    for kind in lanes:
        across += [min(values[kind]), max(values[kind]), None]
        up += [heights[kind], heights[kind], None]
    figure.line(across, up, "measured", text("seeds.range"), width=7, opacity=0.35)
    points = [
        (value, heights[kind] + SPREAD * ((seed + 0.5) / seeds - 0.5), f"{text('seeds.seed')} {seed}")
        for kind in lanes
        for seed, value in enumerate(values[kind])
    ]
    figure.marks(
        [x for x, _, _ in points],
        [y for _, y, _ in points],
        "measured",
        text("seeds.one_seed"),
        size=11,
        customdata=[seed for _, _, seed in points],
        hover="%{customdata}: %{x:.4g}",
    )
    figure.x_axis(title)
    figure.y_axis(
        ticks={index: names[kind] for kind, index in heights.items()}, span=(len(names) - 0.5, -0.5)
    )
    return figure


def verdict(judged: Data, names: Mapping[str, str], text: Words) -> str:
    """Who is ahead and how often luck does that, or whose ranges overlap; and how many orders there were."""
    orders = {tuple(order) for order in judged["orders"]}
    return text(
        "seeds.unresolved" if judged["verdict"] == UNRESOLVED else "seeds.resolved",
        best=names[judged["best"]],
        chance=100 * judged["chance"],
        rivals=text("seeds.comma").join(names[kind] for kind in judged["rivals"]),
        seeds=len(judged["orders"]),
        orders=len(orders),
    )


def conditions(result: Data, text: Words) -> list[str]:
    """What was trained and on how much; and of a toy run, that it is one."""
    counts = result["parameters"].values()
    values = {
        **result,
        "models": len(counts) * result["seeds"],
        "fewest": min(counts),
        "most": max(counts),
        "dtype": PLANS[result["shape"]].dtype,
    }
    return [text("seeds.trained", **values), *([text("seeds.toy", **values)] if result["toy"] else [])]


def table(values: Mapping[str, Sequence[float]], names: Mapping[str, str], text: Words) -> list[Row]:
    """Each kind: its value from every seed, and their mean."""
    return [
        {
            text("seeds.kind"): names[kind],
            **{f"{text('seeds.seed')} {seed}": value for seed, value in enumerate(losses)},
            text("seeds.mean"): sum(losses) / len(losses),
        }
        for kind, losses in values.items()
    ]
