"""Time of a training step of the 26M's shape by precision, and the error that each makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Numbers, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure, Role, error_bars
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number
from minimind_core.model.config import ModelConfig

SHAPE = ModelConfig()
WAYS = PerDevice(
    cpu=("fp32", "fp16", "fp16_scaler", "bf16"), cuda=("fp32", "tf32", "fp16", "fp16_scaler", "bf16")
)
BATCHES = PerDevice(
    cpu={"small_batch": (1, 8), "large_batch": (1, 24)},
    cuda={"small_batch": (1, 128), "large_batch": (32, 512)},
)
"""Rows and their tokens."""
SECONDS = PerDevice(cpu=6.0, cuda=1.5)
"""For all timings of one batch."""


ROLES: tuple[Role, Role] = ("peer", "measured")
"""Of the small and the large batch."""


@dataclass(frozen=True)
class SpeedParams(Params):
    """The rows of the large batch."""

    large_batch: int = whole(0, 0, 64, primary=True)
    """0 as suits the device."""


class BatchTimes(TypedDict):
    """Milliseconds of a step by way, `spread` with quartiles. `gain`: FP32 over FP16 with scaler."""

    rows: int
    length: int
    spread: dict[str, Numbers]
    milliseconds: Numbers
    gain: float


class SpeedResult(TypedDict):
    """Both batches; what the scaler adds to a large step; the relative error of each gradient."""

    small_batch: BatchTimes
    large_batch: BatchTimes
    scaler_overhead_percent: float
    gradient_error: Numbers


class Speed(Experiment[SpeedParams, SpeedResult]):
    """Training steps, the ways in turn in one run, with a small and a large batch."""

    def seconds(self, params: SpeedParams, device: DeviceClass) -> float:
        return PerDevice(cpu=18 + params.large_batch * 7, cuda=5 + params.large_batch * 0.1).on(device)

    def measure(self, params: SpeedParams, ctx: Context) -> SpeedResult:
        from labs.q10_grad_scaler.training_steps import gradient_errors, timed_steps
        from labs.tools.gradients import random_rows
        from labs.tools.interleaved import interleaved, milliseconds, ratios
        from labs.tools.models import untrained

        ctx.progress(0.0, "building")
        model = untrained(SHAPE, ctx.device)
        errors = gradient_errors(model, random_rows(model, 1, 16), ctx.part(0.0, 0.05, "gradients"))
        batches: dict[str, BatchTimes] = {}
        for (name, (count, length)), part in ctx.parts(BATCHES.on(ctx.device).items(), 0.05, 0.95):
            if name == "large_batch":
                count = params.large_batch or count
            steps = timed_steps(model, random_rows(model, count, length), WAYS.on(ctx.device))
            times = interleaved(steps, ctx.device, SECONDS.on(ctx.device), part("timing"), min_rounds=3)
            spread = milliseconds(times)
            batches[name] = {
                "rows": count,
                "length": length,
                "spread": spread,
                "milliseconds": {way: span["median"] for way, span in spread.items()},
                "gain": ratios(times["fp32"], times["fp16_scaler"])["median"],
            }
        added = ratios(times["fp16_scaler"], times["fp16"])["median"] - 1
        return {
            "small_batch": batches["small_batch"],
            "large_batch": batches["large_batch"],
            "scaler_overhead_percent": 100 * added,
            "gradient_error": errors,
        }

    def show(self, result: SpeedResult, text: Words) -> Shown:
        small, large, errors = result["small_batch"], result["large_batch"], result["gradient_error"]
        rows: list[Row] = [
            {
                text("way"): text(f"way.{way}"),
                **{
                    text(f"column.{name}"): "{median:.4g} ({low:.4g}–{high:.4g})".format(
                        **batch["spread"][way]
                    )
                    for name, batch in (("small_batch", small), ("large_batch", large))
                },
            }
            for way in large["milliseconds"]
        ]
        overhead = result["scaler_overhead_percent"]
        notes = [
            text("note.gain", small=small["gain"], large=large["gain"], overhead=overhead),
            text("note.price", times=errors["bf16"] / errors["fp16"]),
        ]
        numbers = {f"{text(f'way.{way}')} (ms)": time for way, time in large["milliseconds"].items()}
        return Shown({"time": _times(result, text), "error": _errors(errors, text)}, rows, notes, numbers)


def _times(result: SpeedResult, text: Words) -> Figure:
    """Milliseconds of a step by way and batch, with quartiles."""
    figure = Figure(barmode="group")
    for batch, role in zip((result["small_batch"], result["large_batch"]), ROLES, strict=True):
        times = list(batch["milliseconds"].values())
        figure.bars(
            [text(f"way.{way}") for way in batch["milliseconds"]],
            times,
            role,
            f"{batch['rows']} × {batch['length']} {text('tokens')}",
            hover="%{x}: %{y:.4g} ms",
            labels=[short_number(time) for time in times],
            error_y=error_bars(times, batch["spread"].values()),
        )
    figure.y_axis(text("axis.milliseconds"), from_zero=True)
    return figure


def _errors(errors: Numbers, text: Words) -> Figure:
    """The error of each gradient in percent."""
    figure, percents = Figure(), [100 * error for error in errors.values()]
    names = [text(f"way.{way}") for way in errors]
    figure.bars(names, percents, "measured", hover="%{x}: %{y:.3g}%", labels="{:.2g}%")
    figure.y_axis(text("axis.gradient_error"))
    return figure
