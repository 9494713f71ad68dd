"""One attention score in half precision: cast after the product, before it, or the query divided first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Calculator, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role, power_ticks
from labs.q11_nan.first_bad import number
from labs.q11_nan.formats import FORMATS, ORDERS, score, told

HEAD_DIMS = (32, 64, 128)
LARGEST = {"fp16": 65504.0, "bf16": 3.3895313892515355e38, "fp32": 3.4028234663852886e38}
"""The largest finite number of a format."""
OVER = 3.0
"""How far beyond a format's end a bar is drawn whose number is not finite."""


@dataclass(frozen=True)
class ScoresParams(Params):
    """Every entry of the query and the key, the order, and what both are stored in; all of it is view."""

    entry: int = whole(40, 1, 400, primary=True, view=True)
    order: str = choice("cast_after", ORDERS, primary=True, view=True)
    number_format: str = choice("fp16", FORMATS[1:], primary=True, view=True, label="format")
    head_dim: int = choice(64, HEAD_DIMS, view=True)


class Score(TypedDict):
    """The largest number that is stored on the way, and the score; texts where they are not finite."""

    largest: float | str
    score: float | str


class View(TypedDict):
    """The three orders, and the score without any rounding."""

    orders: dict[str, Score]
    order: str
    exact: float
    number_format: str
    head_dim: int
    fits_up_to: int
    """The largest entry whose product the format still holds."""


class ScoresResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[View]


class Scores(Calculator[ScoresParams, ScoresResult]):
    """Three orders of the same three operations."""

    def view(self, params: ScoresParams, result: ScoresResult) -> View:
        found: dict[str, Score] = {}
        for order in ORDERS:
            largest, value = score(params.entry, params.head_dim, order, params.number_format)
            found[order] = {"largest": told(largest), "score": told(value)}
        return {
            "orders": found,
            "order": params.order,
            "exact": params.entry**2 * math.sqrt(params.head_dim),
            "number_format": params.number_format,
            "head_dim": params.head_dim,
            "fits_up_to": math.isqrt(int(LARGEST[params.number_format]) // params.head_dim),
        }

    def show(self, result: ScoresResult, text: Words) -> Shown:
        """`largest`: the largest number stored on the way, in each order."""
        view = result["view"]
        chosen, name = view["orders"][view["order"]], text(f"format.{view['number_format']}")
        rows: list[Row] = [
            {
                text("order_of_steps"): text(f"course.{order}"),
                text("largest_stored"): _said(one["largest"]),
                text("score"): _said(one["score"]),
            }
            for order, one in view["orders"].items()
        ]
        lost = isinstance(chosen["score"], str)
        values = {"order": text(f"course.{view['order']}"), "largest": _said(chosen["largest"])}
        values |= {"score": _said(chosen["score"]), "format": name, "exact": number(view["exact"])}
        notes = [text("note.score_lost" if lost else "note.score", **values)]
        if view["number_format"] == "fp16":
            notes.append(text("note.fits", entry=view["fits_up_to"], head_dim=view["head_dim"]))
        numbers = {
            text(f"course.{order}"): one["score"]
            for order, one in view["orders"].items()
            if not isinstance(one["score"], str)
        }
        return Shown({"largest": _drawn(view, text)}, rows, [*notes, text("scores.change")], numbers)


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _drawn(view: View, text: Words) -> Figure:
    figure = Figure(height=260)
    limit = LARGEST[view["number_format"]]
    for order, one in view["orders"].items():
        largest = one["largest"]
        lost = isinstance(largest, str)
        role: Role = "removed" if lost else "formula"
        figure.bars(
            [limit * OVER if isinstance(largest, str) else largest],
            [text(f"course.{order}")],
            role,
            text("overflow" if lost else "stays_finite"),
            labels=[f" {_said(largest)}"],
            horizontal=True,
            hover="%{y}: %{text}",
            showlegend=False,
        )
    names = [text(f"course.{order}") for order in view["orders"]]
    figure.line([limit] * len(names), names, "peer", text("end_of_format"), showlegend=True)
    top = math.log10(limit * OVER)
    figure.x_axis(
        text("axis.largest"),
        log=True,
        span=(0, top * 1.25),
        ticks=power_ticks(1, limit, max(1, int(top) // 5)),
    )
    figure.y_axis(category=True, reverse=True)
    return figure
