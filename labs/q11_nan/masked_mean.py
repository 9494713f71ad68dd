"""The mean of the losses that a mask leaves: multiplied or chosen, over three denominators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Calculator, Params, Row, Shown, Words, choice, text
from labs.contract.drawing import Figure, Role
from labs.contract.fields import ParamError
from labs.q11_nan.first_bad import number
from labs.q11_nan.formats import FORMATS, masked_mean, told
from labs.q11_nan.typed_numbers import read_numbers

MASKINGS = ("multiplied", "chosen")
"""losses * mask, or where(mask, losses, 0)."""
DENOMINATORS = ("plain", "tiny", "clamped")
"""mask.sum(), mask.sum() + 1e-8, mask.sum().clamp(min=1)."""


@dataclass(frozen=True)
class MaskedMeanParams(Params):
    """Losses, which of them count, and the format that all is computed in; all of it is view."""

    losses: str = text("2, 3, inf", max_length=200, primary=True, view=True)
    counted: str = text("0, 0, 0", max_length=50, primary=True, view=True)
    number_format: str = choice("fp32", FORMATS, primary=True, view=True, label="format")

    def check_together(self) -> None:
        """Raise ParamError for losses that are no numbers and for another number of marks."""
        marks = read_numbers(self.counted, "counted")
        if len(marks) != len(read_numbers(self.losses, "losses")) or not set(marks) <= {0, 1}:
            raise ParamError(
                "together",
                "counted",
                "Give each loss a 1 where it counts, or a 0, such as 1, 0, 1.",
                key="q11.counted.marks",
            )


class Means(TypedDict):
    """By way of masking and denominator, the mean; a text where it is not finite."""

    means: dict[str, dict[str, float | str]]
    counted: int
    number_format: str


class MaskedMeanResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[Means]


class MaskedMean(Calculator[MaskedMeanParams, MaskedMeanResult]):
    """Six ways to write a masked mean."""

    def view(self, params: MaskedMeanParams, result: MaskedMeanResult) -> Means:
        losses = read_numbers(params.losses, "losses")
        marks = read_numbers(params.counted, "counted")
        return {
            "means": {
                way: {
                    denominator: told(masked_mean(losses, marks, way, denominator, params.number_format))
                    for denominator in DENOMINATORS
                }
                for way in MASKINGS
            },
            "counted": int(sum(marks)),
            "number_format": params.number_format,
        }

    def show(self, result: MaskedMeanResult, text: Words) -> Shown:
        """`means`: all six, by denominator."""
        view = result["view"]
        rows: list[Row] = [
            {
                text("masking"): text(f"masking.{way}"),
                **{text(f"denominator.{name}"): _said(mean) for name, mean in means.items()},
            }
            for way, means in view["means"].items()
        ]
        chosen = view["means"]["chosen"]
        notes = [text("note.nothing_counts" if not view["counted"] else "note.counts", count=view["counted"])]
        spoiled = isinstance(view["means"]["multiplied"]["clamped"], str)
        if spoiled and not isinstance(chosen["clamped"], str):
            notes.append(text("note.multiplied"))
        if not view["counted"] and isinstance(chosen["tiny"], str):
            notes.append(text("note.tiny_gone", format=text(f"format.{view['number_format']}")))
        return Shown({"means": _drawn(view, text)}, rows, [*notes, text("masked_mean.change")])


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _drawn(view: Means, text: Words) -> Figure:
    """A cell for each way: what is not finite is shaded."""
    figure = Figure(height=220)
    columns = [text(f"denominator.{name}") for name in DENOMINATORS]
    lines = [text(f"masking.{way}") for way in MASKINGS]
    values = [[view["means"][way][name] for name in DENOMINATORS] for way in MASKINGS]
    role: Role = "said"
    shades = [[int(isinstance(value, str)) for value in row] for row in values]
    figure.heat(shades, columns, lines, role, zmin=0, zmax=2, hover="%{y}, %{x}")
    cells = [(x, y) for y in range(len(lines)) for x in range(len(columns))]
    said = [_said(values[y][x]) for x, y in cells]
    figure.words([columns[x] for x, _ in cells], [lines[y] for _, y in cells], said)
    figure.x_axis(text("axis.mask_sum"), category=True, showgrid=False)
    figure.y_axis(category=True, reverse=True, showgrid=False)
    return figure
