"""Ten seconds that tell what the formulas need: bandwidth, matrix rate and launch, beside a real step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, error_bars
from labs.contract.machine import Machine
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number, small_number

if TYPE_CHECKING:
    from minimind_core.decoding.step import StepKind

CACHED_TOKENS = 256
BATCHES = (1, 16)
SECONDS = PerDevice(cpu=2.0, cuda=0.7, mps=1.5)
"""For each of the three groups of timings."""
Quartiles = dict[str, float]
"""`median`, `low` and `high` of the rounds of one run."""
_MEGA, _GIGA = 1e6, 1e9
_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class CardParams(Params):
    """Nothing to set: a card is comparable with another only if both measured the same."""


class CardResult(TypedDict):
    """`copies`: bytes a second by the copy's bytes, reading and writing counted; `rate`: floating-point
    operations a second by dtype; `launch`: seconds an operation; `step`: seconds of a decode step by batch,
    its operations launched one by one; `graph`: the same replayed as a CUDA graph, empty elsewhere. Each step
    reads `weight_bytes`."""

    device_name: str
    dtype: str
    copies: dict[str, Quartiles]
    rate: dict[str, Quartiles]
    launch: Quartiles
    step: dict[str, Quartiles]
    graph: dict[str, Quartiles]
    operations: int
    weight_bytes: int


class Card(Experiment[CardParams, CardResult]):
    """Copies, matrix products, launches, and decode steps of the model, each many times."""

    takes = PerDevice(cpu=9.0, cuda=6.0)

    def measure(self, params: CardParams, ctx: Context) -> CardResult:
        """Time each group in turn, round by round."""
        import torch

        from labs.machine.probes import LAUNCHES, FullCacheStep, copies, launches, operations, product
        from labs.tools.interleaved import interleaved, middle

        device, seconds = ctx.device, SECONDS.on(ctx.device)
        cuda = device == "cuda"
        ctx.progress(0.0, "loading")
        model = ctx.model().model
        on_progress = ctx.part(0.1, 0.4, "copying")
        copied = interleaved(
            {str(size): way for size, way in copies(device).items()}, device, seconds, on_progress
        )
        on_progress = ctx.part(0.4, 0.7, "multiplying")
        dtypes = dict.fromkeys(("fp32", ctx.dtype, *(["bf16"] if cuda else [])))
        products = {dtype: product(device, dtype) for dtype in dtypes}
        ways = {dtype: way for dtype, (way, _) in products.items()} | {"launch": launches(device)}
        calls = interleaved(ways, device, seconds, on_progress)
        on_progress = ctx.part(0.7, 1.0, "stepping")
        kinds: tuple[StepKind, ...] = ("eager", "graph") if cuda else ("eager",)
        steps = {
            f"{kind} {batch}": FullCacheStep(model, batch, CACHED_TOKENS, kind)
            for kind in kinds
            for batch in BATCHES
        }
        stepped = interleaved({name: step.run for name, step in steps.items()}, device, seconds, on_progress)
        by_kind = {
            kind: {str(batch): middle(stepped[f"{kind} {batch}"]) for batch in BATCHES if kind in kinds}
            for kind in ("eager", "graph")
        }
        return {
            "device_name": torch.cuda.get_device_name() if cuda else device,
            "dtype": ctx.dtype,
            "copies": {
                size: middle([2 * int(size) / second for second in times]) for size, times in copied.items()
            },
            "rate": {
                dtype: middle([flops / second for second in calls[dtype]])
                for dtype, (_, flops) in products.items()
            },
            "launch": middle([second / LAUNCHES for second in calls["launch"]]),
            "step": by_kind["eager"],
            "graph": by_kind["graph"],
            "operations": operations(steps["eager 1"].run),
            "weight_bytes": sum(weight.nbytes for weight in model.parameters()),
        }

    def show(self, result: CardResult, text: Words) -> Shown:
        """`copies`: bandwidth by size; the sentence: reading the weights once, and a real step."""
        machine, step = machine_of(result), _quickest(result)
        floor = machine.seconds_to_read(result["weight_bytes"])
        return Shown(
            {"copies": _copies(result, text)},
            rows=_rows(result, text),
            notes=[
                text(
                    "note.floor",
                    megabytes=short_number(result["weight_bytes"] / _MEGA),
                    milliseconds=small_number(1e3 * floor),
                ),
                text("note.knee", batch=short_number(machine.knee_batch), dtype=result["dtype"]),
                text(
                    "note.launch",
                    operations=result["operations"],
                    milliseconds=small_number(1e3 * machine.seconds_to_launch(result["operations"])),
                    megabytes=short_number(machine.launch_bound_bytes(result["operations"]) / _MEGA),
                ),
            ],
            numbers={
                text("row.bandwidth"): machine.bandwidth / _GIGA,
                text("row.rate", dtype=result["dtype"]): machine.rate / _GIGA,
                text("row.launch"): 1e6 * machine.launch,
            },
            sentence={
                "formula": 1e3 * floor,
                "measured": 1e3 * step["median"],
                "low": 1e3 * step["low"],
                "high": 1e3 * step["high"],
                "unit": "ms",
            },
        )


def machine_of(result: CardResult) -> Machine:
    """What a card says of its machine; the bandwidth is that of the largest copy, so that of the memory."""
    largest = max(result["copies"], key=int)
    return Machine(
        name=result["device_name"],
        bandwidth=result["copies"][largest]["median"],
        rate=result["rate"][result["dtype"]]["median"],
        launch=result["launch"]["median"],
        bytes_per_number=_BYTES[result["dtype"]],
    )


def _quickest(result: CardResult) -> Quartiles:
    """A step for one sequence: replayed where that can be, else launched one by one."""
    return (result["graph"] or result["step"])["1"]


def _copies(result: CardResult, text: Words) -> Figure:
    figure = Figure()
    speeds = [{name: value / _GIGA for name, value in speed.items()} for speed in result["copies"].values()]
    medians = [speed["median"] for speed in speeds]
    figure.line(
        [int(size) / _MEGA for size in result["copies"]],
        medians,
        "measured",
        text("measured"),
        hover="%{x:.3g} MB: %{y:.3g} GB/s",
        size=9,
        error_y=error_bars(medians, speeds),
        showlegend=False,
    )
    figure.x_axis(text("axis.size"), log=True)
    figure.y_axis(text("axis.bandwidth"), log=True)
    return figure


def _rows(result: CardResult, text: Words) -> list[Row]:
    """Median and quartiles of every number, each in its unit."""
    rows: list[tuple[str, Quartiles, float, str]] = [
        (text("row.copy", megabytes=short_number(int(size) / _MEGA)), speed, 1 / _GIGA, "GB/s")
        for size, speed in result["copies"].items()
    ]
    rows += [
        (text("row.rate", dtype=dtype), rate, 1 / _GIGA, "GFLOP/s") for dtype, rate in result["rate"].items()
    ]
    rows += [(text("row.launch"), result["launch"], 1e6, "µs")]
    for kind in ("step", "graph"):
        for batch, seconds in result[kind].items():
            rows.append((text(f"row.{kind}", batch=batch), seconds, 1e3, "ms"))
    return [
        {
            text("column.what"): what,
            text("column.unit"): unit,
            text("column.median"): factor * value["median"],
            text(
                "column.quartiles"
            ): f"{small_number(factor * value['low'])} – {small_number(factor * value['high'])}",
        }
        for what, value, factor, unit in rows
    ]
