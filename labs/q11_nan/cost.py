"""What it costs to look: one forward and backward pass, plain, with three kinds of hooks, in anomaly mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice
from labs.contract.drawing import Figure, error_bars
from labs.tools.budgets import PerDevice

WAYS = ("plain", "loss", "deferred", "hooks", "anomaly")
SECONDS = PerDevice(cpu=6.0, cuda=3.0)
SHAPES = PerDevice(cpu=(2, 32), cuda=(16, 512))


@dataclass(frozen=True)
class CostParams(Params):
    """How large the batch is: with more work between two modules, a question to the host weighs less."""

    rows: str = choice("auto", ("auto", "1", "4", "16"), primary=True)


class CostResult(TypedDict):
    """Seconds a pass by way, with quartiles; how many times slower than plain, also with quartiles."""

    seconds: dict[str, dict[str, float]]
    slowdown: dict[str, float]
    quartiles: dict[str, dict[str, float]]
    tensors: int
    """That the hooks look at in a pass."""
    rows: int
    length: int


class Cost(Experiment[CostParams, CostResult]):
    """Looking at every tensor, timed in turn in one run."""

    def seconds(self, params: CostParams, device: DeviceClass) -> float:
        more = 1.0 if params.rows == "auto" else max(int(params.rows) / SHAPES.on(device)[0], 0.5)
        return PerDevice(cpu=4 + 8 * more, cuda=3 + 4 * more).on(device)

    def measure(self, params: CostParams, ctx: Context) -> CostResult:
        from labs.q11_nan.looks import looks, tensors_seen
        from labs.tools import interleaved
        from labs.tools.gradients import random_rows
        from labs.tools.models import copied

        ctx.progress(0.0, "loading")
        rows, length = SHAPES.on(ctx.device)
        rows = rows if params.rows == "auto" else int(params.rows)
        model = copied(ctx.model().model)
        ids = random_rows(model, rows, length)
        told = ctx.part(0.1, 1.0, "timing")
        times = interleaved.interleaved(looks(model, ids), ctx.device, SECONDS.on(ctx.device), told)
        ratios = {way: interleaved.ratios(times[way], times["plain"]) for way in WAYS[1:]}
        return {
            "seconds": {way: interleaved.middle(times[way]) for way in WAYS},
            "slowdown": {way: ratio["median"] for way, ratio in ratios.items()},
            "quartiles": ratios,
            "tensors": tensors_seen(model, ids),
            "rows": rows,
            "length": length,
        }

    def show(self, result: CostResult, text: Words) -> Shown:
        figure, names = Figure(), [text(f"look.{way}") for way in WAYS[1:]]
        ratios = [result["slowdown"][way] for way in WAYS[1:]]
        figure.bars(
            ratios,
            names,
            "measured",
            horizontal=True,
            hover="%{y}: %{x:.2f}×",
            labels=" {:.2f}×",
            error_x=error_bars(ratios, [result["quartiles"][way] for way in WAYS[1:]]),
        )
        figure.x_axis(text("axis.slowdown"), span=(0, 1.25 * max(*ratios, 1.2)))
        figure.y_axis(category=True, reverse=True)
        rows: list[Row] = [
            {
                text("way"): text(f"look.{way}"),
                text("milliseconds"): 1e3 * result["seconds"][way]["median"],
                text("axis.slowdown"): result["slowdown"].get(way, 1.0),
            }
            for way in WAYS
        ]
        note = text("note.cost", **{**result["slowdown"], "tensors": result["tensors"]})
        numbers = {f"{name} (×)": ratio for name, ratio in zip(names, ratios, strict=True)}
        return Shown({"slowdown": figure}, rows, [note], numbers)
