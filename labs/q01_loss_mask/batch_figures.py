"""What is drawn of a batch: its pairs, what each rule reports, and the loss as two areas. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labs.contract import Row, Words
from labs.contract.drawing import Figure, Role
from labs.q01_loss_mask.pieces import drawn

PAIRS = 24
"""Positions that are drawn; a table has more."""
TABLE_ROWS = 256
PIECE = 12
"""Characters of a piece in a cell."""
LARGEST_LOSS = 12.0
"""Nats at which a cell is darkest, the same in every run."""
_RULES: dict[str, Role] = {"y": "measured", "by_id": "peer"}
"""How a rule's bar is painted; the others are wrong whatever the batch."""


def figures(result: Mapping[str, Any], text: Words) -> dict[str, Figure]:
    """`pairs`, `rules` and, where there is padding, `parts`."""
    drawn_figures = {"pairs": _pairs(result, text), "rules": _rules(result, text)}
    if not result["real"][:, 1:].all():
        drawn_figures["parts"] = _parts(result, text)
    return drawn_figures


def table(result: Mapping[str, Any], text: Words) -> list[Row]:
    """Every pair: place, X, Y, their ids, mask and loss, the first ones of a large batch."""
    offset = result["view"]["offset"]
    return [
        {
            text("text"): row + 1,
            "t": place,
            "X": result["pieces"][row][place],
            "Y": result["pieces"][row][place + offset],
            text("ids"): f"{result['ids'][row][place]} → {result['ids'][row][place + offset]}",
            text("mask"): int(kept),
            text("axis.loss"): float(loss),
        }
        for row, place, kept, loss in _every_pair(result)
    ][:TABLE_ROWS]


def _every_pair(result: Mapping[str, Any]) -> list[tuple[int, int, bool, float]]:
    """(row, place, kept, loss) of each pair of the chosen rule."""
    view = result["view"]
    losses = result["losses" if view["offset"] == 1 else "skipping"]
    return [
        (row, place, bool(kept), losses[row][place])
        for row, mask in enumerate(view["mask"])
        for place, kept in enumerate(mask)
    ]


def _pairs(result: Mapping[str, Any], text: Words) -> Figure:
    """One column a text, position downwards; pairs that bear loss are shaded by it, the others grey."""
    offset, pairs = result["view"]["offset"], _every_pair(result)
    columns = [text("text_number", number=row + 1) for row in range(len(result["ids"]))]
    places = list(range(min(PAIRS, result["view"]["mask"].shape[1])))
    kept: list[list[float | None]] = [[None] * len(columns) for _ in places]
    masked: list[list[float | None]] = [[None] * len(columns) for _ in places]
    x, y, words = [], [], []
    for row, place, bears, loss in pairs:
        if place >= len(places):
            continue
        (kept if bears else masked)[place][row] = float(loss) if bears else LARGEST_LOSS / 3
        one, other = (_cell(result["pieces"][row][index]) for index in (place, place + offset))
        x.append(columns[row])
        y.append(str(place))
        words.append(f"<b>{one} → {other}</b>" if bears else f"<i>{one} → {other}</i>")
    figure, ticks = Figure(height=70 + 24 * len(places)), list(map(str, places))
    shades = {"zmin": 0, "zmax": LARGEST_LOSS}
    figure.heat(kept, columns, ticks, "measured", hover="t = %{y}: %{z:.3f}", **shades)
    if any(value is not None for line in masked for value in line):
        figure.heat(masked, columns, ticks, "removed", hover=text("batch.masked_out"), **shades)
    figure.words(x, y, words)
    figure.x_axis(category=True, showgrid=False, side="top")
    figure.y_axis(text("axis.place"), category=True, reverse=True, showgrid=False)
    return figure


def _cell(label: str) -> str:
    return drawn(label if len(label) <= PIECE else label[: PIECE - 1] + "…")


def _rules(result: Mapping[str, Any], text: Words) -> Figure:
    """The mean loss that each rule reports, the right one in green; the chosen one's name is bold."""
    view, figure = result["view"], Figure(height=260)
    for rule, loss in view["by_rule"].items():
        name = text(f"mask.{rule}")
        count = text("of_pairs", count=view["counts"][rule])
        figure.bars(
            [loss or 0.0],
            [f"<b>{name}</b>" if rule == view["rule"] else name],
            _RULES.get(rule, "said"),
            labels=[" NaN" if loss is None else f" {loss:.3f}, {count}"],
            horizontal=True,
            hover="%{y}: %{x:.4f}",
            showlegend=False,
        )
    every = result["losses"], result["skipping"]
    highest = max(float(losses.max(initial=0.0)) for losses in every)
    shown = max([loss for loss in view["by_rule"].values() if loss is not None], default=1.0)
    figure.x_axis(text("axis.mean_loss"), span=(0, 1.7 * max(shown, min(highest, LARGEST_LOSS / 2))))
    figure.y_axis(category=True, reverse=True)
    return figure


def _parts(result: Mapping[str, Any], text: Words) -> Figure:
    """Wide as its share of the pairs, high as its mean loss: the two areas add up to the unmasked loss."""
    real, losses = result["real"][:, 1:].astype(bool), result["losses"].astype(np.float64)
    share, mean = float(real.mean()), float(losses.mean())
    heights = {"measured": float(losses[real].mean()), "removed": float(losses[~real].mean())}
    figure = Figure(height=300)
    figure.bars(
        [50 * share],
        [heights["measured"]],
        "measured",
        text("targets_real"),
        width=[100 * share],
        hover=f"{share:.1%}: %{{y:.3f}}",
    )
    figure.bars(
        [100 * share + 50 * (1 - share)],
        [heights["removed"]],
        "removed",
        text("targets_padding"),
        width=[100 * (1 - share)],
        hover=f"{1 - share:.1%}: %{{y:.3f}}",
    )
    figure.line(
        [0, 100],
        [mean, mean],
        "said",
        text("unmasked"),
        text=["", f"{mean:.2f} "],
        textposition="top left",
        hover="%{y:.4f}",
    )
    figure.x_axis(text("axis.share"), span=(0, 100), ticksuffix="%")
    figure.y_axis(text("axis.mean_loss"), from_zero=True)
    return figure
