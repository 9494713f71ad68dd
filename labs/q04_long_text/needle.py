"""A map of where a fact is found: how much it helps by the length of the text and by its depth in it.

The gain is that of `passkey.py`: nats of the right answer with another key planted, less those with its own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Required, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.tools.budgets import PerDevice

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
"""Tokens of other text, before and after the fact together."""
LONGEST = PerDevice(cpu=256, cuda=4096)
DEPTHS = (0, 25, 50, 75, 100)
"""Percent of the other text that stands before the fact."""
WAYS = ("local", "full", "yarn")


@dataclass(frozen=True)
class NeedleParams(Params):
    """`longest` 0 goes as far as suits the device."""

    way: str = choice("local", WAYS, primary=True, label="reading")
    window: int = whole(16, 2, 2048, primary=True, unit="tokens")
    longest: int = choice(0, (0, *LENGTHS), primary=True)

    def lengths(self, device: str) -> list[int]:
        """The lengths that are tried on a device, the shortest first."""
        return [each for each in LENGTHS if each <= (self.longest or LONGEST.on(device))]


class Cell(TypedDict):
    """One text: its length and depth, tokens back from question to fact, and nats that the fact is worth."""

    length: int
    depth: int
    back: int
    gain: float


class NeedleResult(TypedDict, total=False):
    """`bound` is how far window attention can look back through all layers; None where everything is seen.

    `farthest` is the largest distance at which a fact was worth anything, `found` counts these cells, and
    `within` those that the bound allows.
    """

    cells: Required[list[Cell]]
    way: Required[str]
    bound: Required[int | None]
    farthest: int
    found: int
    within: int
    trained: int
    model: str


class Needle(Experiment[NeedleParams, NeedleResult]):
    """The same fact at five depths of texts of several lengths, read one way."""

    def seconds(self, params: NeedleParams, device: DeviceClass) -> float:
        tokens = len(DEPTHS) * sum(length + 64 for length in params.lengths(device))
        return 1 + 4 * tokens * PerDevice(cpu=1.4e-3, cuda=1e-5).on(device)

    def measure(self, params: NeedleParams, ctx: Context) -> NeedleResult:
        from labs.q04_long_text.planted import KEYS, Planted
        from labs.q04_long_text.readings import scaling_for, stretched
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded, lengths = ctx.model(), params.lengths(ctx.device)
        config = loaded.config
        filler = heldout.held_out_windows(loaded.tokenizer, "english", 1, lengths[-1], ctx)[0]
        text = Planted(loaded, filler[1:].tolist())
        window = params.window if params.way == "local" else None
        bound = None if window is None else config.num_layers * (window - 1)
        cells: list[Cell] = []
        places = list(itertools.product(lengths, DEPTHS))
        for index, (length, depth) in enumerate(places):
            ctx.progress(index / len(places), "needle", length=length, depth=depth)
            before = length * depth // 100
            model = loaded.model
            if params.way == "yarn":
                factor = max(1.0, len(text.ids(KEYS[0], length)) / config.max_length)
                model = stretched(model, scaling_for("yarn", factor, config.max_length))
            own, other = text.nats(model, length - before, window, ctx.check_cancelled, before)
            back = text.back(length - before, before)
            cells.append({"length": length, "depth": depth, "back": back, "gain": other - own})
            ctx.emit({"cell": cells[-1], "bound": bound})
        found = [cell["back"] for cell in cells if cell["gain"] != 0]
        return {
            "cells": cells,
            "way": params.way,
            "bound": bound,
            "farthest": max(found, default=0),
            "found": len(found),
            "within": sum(bound is None or cell["back"] <= bound for cell in cells),
            "trained": config.max_length,
            "model": loaded.name,
        }

    def so_far(self, params: NeedleParams, partials: Partials) -> NeedleResult:
        """The shortest texts are read first."""
        cells = [partial["cell"] for partial in partials]
        return {"cells": cells, "way": params.way, "bound": partials[-1]["bound"]}

    def show(self, result: NeedleResult, text: Words) -> Shown:
        """The map, with a cross where the fact is worth exactly nothing."""
        figures = {"map": _map(result, text)}
        if "model" not in result:
            return Shown(figures)
        rows: list[Row] = [
            {
                text("needle.length"): cell["length"],
                text("needle.depth"): cell["depth"],
                text("axis.distance"): cell["back"],
                text("axis.gain"): cell["gain"],
            }
            for cell in result["cells"]
        ]
        bound = result["bound"]
        notes = [
            text("needle.note", model=result["model"], way=text(f"reading.{result['way']}")),
            text("needle.change"),
        ]
        if bound is not None:
            notes.insert(1, text("needle.bound", found=result["found"], within=result["within"], bound=bound))
        return Shown(
            figures,
            rows,
            notes,
            numbers={text("needle.farthest"): result["farthest"], text("needle.found"): result["found"]},
            sentence=None
            if bound is None
            else {
                "said": max(cell["back"] for cell in result["cells"]),
                "formula": bound,
                "measured": result["farthest"],
                "unit": text("needle.unit"),
            },
        )


def _map(result: NeedleResult, text: Words) -> Figure:
    """Length across, depth down, shaded by the gain; what is worth exactly nothing is crossed out."""
    cells = result["cells"]
    lengths = sorted({cell["length"] for cell in cells})
    known = {(cell["length"], cell["depth"]): cell["gain"] for cell in cells}
    x, y = [f"{length:,}" for length in lengths], [f"{depth}%" for depth in DEPTHS]
    figure = Figure(height=330)
    gains = [[known.get((length, depth)) for length in lengths] for depth in DEPTHS]
    figure.heat(gains, x, y, "measured", hover="%{x}, %{y}: %{z:.2f}", zmin=0, zmax=max(1.0, *known.values()))
    nothing = [cell for cell in cells if cell["gain"] == 0]
    if nothing:
        figure.marks(
            [f"{cell['length']:,}" for cell in nothing],
            [f"{cell['depth']}%" for cell in nothing],
            "removed",
            text("needle.nothing"),
            symbol="x",
            size=10,
            hover="%{x}, %{y}: 0",
        )
    figure.x_axis(text("needle.length"), category=True)
    figure.y_axis(text("needle.depth"), category=True, reverse=True)
    return figure
