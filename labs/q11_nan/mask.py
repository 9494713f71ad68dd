"""A mask of one's own, and a row that may see nothing: seven ways of masking, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, text, whole
from labs.contract.drawing import Figure
from labs.q11_nan.formats import FORMATS
from labs.q11_nan.masks import WAYS, Way, read_mask


@dataclass(frozen=True)
class MaskParams(Params):
    """Rows of 0 and 1, one a query, and the format of query, key and value; the way is view."""

    mask: str = text("1000 0000 1110 1111", max_length=100, primary=True)
    way: str = choice("by_hand", WAYS, primary=True, view=True)
    number_format: str = choice("fp32", FORMATS, primary=True, label="format")
    seed: int = whole(0, 0, 2**31 - 1)

    def check_together(self) -> None:
        """Raise ParamError for rows that are no square of 0 and 1."""
        read_mask(self.mask)


class MaskResult(TypedDict):
    """By way. `empty` are the rows that may see nothing, counted from 1."""

    mask: list[list[int]]
    empty: list[int]
    ways: dict[str, Way]
    number_format: str
    view: NotRequired[dict[str, str]]


class Mask(Experiment[MaskParams, MaskResult]):
    """Attention of a few random queries under a mask, masked in every way, with autograd's gradients."""

    id = "q11/mask"

    def seconds(self, params: MaskParams, device: DeviceClass) -> float:
        return 0.5

    def measure(self, params: MaskParams, ctx: Context) -> MaskResult:
        from labs.q11_nan.masking import attend

        rows = read_mask(params.mask)
        ways: dict[str, Way] = {}
        for index, way in enumerate(WAYS):
            ctx.progress(index / len(WAYS), "masking")
            ways[way] = attend(rows, way, params.number_format, ctx.device, params.seed)
        return {
            "mask": rows,
            "empty": [place for place, row in enumerate(rows, start=1) if not any(row)],
            "ways": ways,
            "number_format": params.number_format,
        }

    def view(self, params: MaskParams, result: MaskResult) -> dict[str, str]:
        return {"way": params.way}

    def show(self, result: MaskResult, text: Words) -> Shown:
        """`weights`: what each query takes from each key, in the chosen way."""
        chosen = result["view"]["way"]
        way, name = result["ways"][chosen], text(f"way.{chosen}")
        rows: list[Row] = [
            {
                text("way"): text(f"way.{key}"),
                text("bad_weights"): one["bad_weights"],
                text("bad_output"): one["bad_output"],
                **{
                    text("bad_gradient", of=letter.upper()): count
                    for letter, count in one["bad_gradients"].items()
                },
            }
            for key, one in result["ways"].items()
        ]
        return Shown(
            {"weights": _drawn(way["weights"], result["mask"], text)},
            rows,
            [*_notes(result, way, name, text), text("mask.change")],
            {text("bad_output"): way["bad_output"]},
        )


def _notes(result: MaskResult, way: Way, name: str, text: Words) -> list[str]:
    listed = text("comma").join(map(str, result["empty"]))
    notes = [text("note.empty_rows", rows=listed) if result["empty"] else text("note.no_empty_row")]
    gradients = [letter.upper() for letter, count in way["bad_gradients"].items() if count]
    if way["bad_output"]:
        notes.append(text("note.mask_spoils", way=name))
    elif gradients:
        notes.append(text("note.mask_backward", way=name, of=text("comma").join(gradients)))
    else:
        notes.append(text("note.mask_clean", way=name))
    allowed = np.array(result["mask"], bool)
    if np.nansum(np.where(allowed, 0.0, way["weights"])) > 0:
        notes.append(text("note.looks_anyway"))
    return notes


def _drawn(weights: NDArray[np.float32], mask: list[list[int]], text: Words) -> Figure:
    """Queries down, keys across; a cell that is not a number says so, a forbidden one is crossed out."""
    size = len(mask)
    names = [str(place) for place in range(1, size + 1)]
    figure = Figure(height=120 + 40 * size)
    shades = np.nan_to_num(weights, nan=0.0).tolist()
    figure.heat(shades, names, names, "measured", zmin=0, zmax=1, hover="%{y} → %{x}: %{z:.3f}")
    cells = [(x, y) for y in range(size) for x in range(size)]
    said = ["NaN" if np.isnan(weights[y, x]) else "" if mask[y][x] else "×" for x, y in cells]
    figure.words([names[x] for x, _ in cells], [names[y] for _, y in cells], said)
    figure.x_axis(text("axis.key"), category=True, showgrid=False)
    figure.y_axis(text("axis.query"), category=True, reverse=True, showgrid=False)
    return figure
