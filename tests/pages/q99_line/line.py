"""A straight line, measured with an offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    ParamError,
    Params,
    Partials,
    Shown,
    ThreeNumbers,
    Words,
    real,
    whole,
)
from labs.contract.drawing import Figure

OFFSET = 0.25


@dataclass(frozen=True)
class LineParams(Params):
    """y = slope * x for a few x. `zoom` changes the view only."""

    slope: float = real(2.0, 0, 10, step=0.5, primary=True)
    points: int = whole(3, 1, 9)
    zoom: float = real(1.0, 1, 4, step=1, view=True)

    def check_together(self) -> None:
        """Raise ParamError for a steep line of many points."""
        if self.slope > 9 and self.points > 8:
            raise ParamError("together", "slope", "So steep a line has 8 points at most.")

    def exact(self) -> list[float]:
        """y without the offset."""
        return [self.slope * x for x in range(self.points)]


class Zoom(TypedDict):
    """How much is shown."""

    zoom: float


class LineResult(TypedDict):
    """y by x. By formula alone nothing is measured."""

    formula: list[float]
    measured: NotRequired[list[float]]
    sentence: NotRequired[ThreeNumbers]
    view: NotRequired[Zoom]


class Line(Experiment[LineParams, LineResult]):
    """With every optional part."""

    keep = False
    drawn_by_formula = True

    def seconds(self, params: LineParams, device: DeviceClass) -> float:
        """Instant."""
        return 0.2

    def formula(self, params: LineParams) -> LineResult:
        """y without the offset."""
        return {"formula": params.exact()}

    def measure(self, params: LineParams, ctx: Context) -> LineResult:
        """Emits each y as it comes."""
        return measured_line(params, ctx)

    def so_far(self, params: LineParams, partials: Partials) -> LineResult:
        """The points that were emitted."""
        return {"formula": params.exact(), "measured": [partial["y"] for partial in partials]}

    def view(self, params: LineParams, result: LineResult) -> Zoom:
        """What the view field says."""
        return {"zoom": params.zoom}

    def show(self, result: LineResult, text: Words) -> Shown:
        """With rows, numbers and the sentence."""
        measured = result.get("measured", [])
        return Shown(
            drawn(result),
            rows=[{"x": x, text("y"): y} for x, y in enumerate(measured or result["formula"])],
            numbers={text("last"): measured[-1]} if measured else {},
            sentence=result.get("sentence"),
        )


def measured_line(params: LineParams, ctx: Context) -> LineResult:
    """The formula and a little more, point by point."""
    formula = params.exact()
    measured = []
    for y in formula:
        measured.append(y + OFFSET)
        ctx.emit({"y": measured[-1]})
    sentence: ThreeNumbers = {"said": 4.0, "formula": formula[-1], "measured": measured[-1], "unit": "×"}
    return {"formula": formula, "measured": measured, "sentence": sentence}


def drawn(result: LineResult) -> dict[str, Figure]:
    """`line`: formula and measurement; `zoom`: the view field."""
    line, zoom = Figure(), Figure()
    line.line(range(len(result["formula"])), result["formula"], "formula", "formula")
    if "measured" in result:
        line.line(range(len(result["measured"])), result["measured"], "measured", "measured")
    zoom.bars([0], [result["view"]["zoom"] if "view" in result else 0], "measured")
    return {"line": line, "zoom": zoom}
