"""Activation checkpointing, the other way to a batch that does not fit: bytes saved, seconds paid.

Layers of the real model forget their activations and compute them again in the backward pass. The gradients'
buffers exist before, as in the middle of a window, so that the peak is that of one micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, whole
from labs.contract.drawing import Figure, Role, error_bars
from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, matmul_parameters

WAYS: dict[str, tuple[str, int]] = {
    "none": ("every", 0),
    "fourth": ("every", 4),
    "second": ("every", 2),
    "all": ("every", 1),
    "pairs": ("groups", 2),
    "fours": ("groups", 4),
    "whole": ("groups", 8),
}
"""Every n-th layer by itself, or all layers in groups of n."""
SAID_RATIO = 4 / 3
"""One more forward pass beside one forward and a backward pass of twice its work."""
ROWS, LENGTH = PerDevice(cpu=2, cuda=16), PerDevice(cpu=128, cuda=512)
TIMED_SECONDS = PerDevice(cpu=8.0, cuda=4.0)
MIN_ROUNDS = 5
MB = 1e6


@dataclass(frozen=True)
class CheckpointingParams(Params):
    """The micro-batch; 0 rows or tokens are as many as suit the device."""

    rows: int = whole(0, 0, 32, primary=True)
    length: int = whole(0, 0, 512, step=32, primary=True)


Spread = dict[str, float]
"""Median, low and high quartile over the rounds."""


class Cost(TypedDict, total=False):
    """Of a way: the most new megabytes at once, over those of keeping all; the time over that of keeping all,
    measured and by arithmetic; whether the gradient has the same bits."""

    megabytes: float
    memory_ratio: float
    equal_bits: bool
    formula_time_ratio: float
    time_ratio: Spread


class CheckpointingResult(TypedDict):
    """By way; `logits_megabytes` are one copy of the head's scores, which no way saves. `repeats_itself`: two
    passes that keep all give the same bits."""

    rows: int
    length: int
    ways: dict[str, Cost]
    logits_megabytes: float
    repeats_itself: bool


class Checkpointing(Experiment[CheckpointingParams, CheckpointingResult]):
    """Forward and backward pass of one micro-batch, with all activations kept, some, or hardly any."""

    def seconds(self, params: CheckpointingParams, device: DeviceClass) -> float:
        tokens = (params.rows or ROWS.on(device)) * (params.length or LENGTH.on(device))
        passes = len(WAYS) * (3 + MIN_ROUNDS)
        return PerDevice(cpu=3.0 + passes * tokens * 2.2e-3, cuda=9.0 + passes * tokens * 4e-6).on(device)

    def formula(self, params: CheckpointingParams) -> Data:
        """The time of the default model, at the length for a CPU where none is set."""
        ratio = partial(time_ratio, ModelConfig(), params.length or LENGTH.cpu)
        return {"ways": {name: {"formula_time_ratio": ratio(*way)} for name, way in WAYS.items()}}

    def measure(self, params: CheckpointingParams, ctx: Context) -> CheckpointingResult:
        import torch

        from labs.q09_accumulation import recomputed
        from labs.q09_accumulation.window_gradients import same_bits
        from labs.tools.gradients import copies, gradients, mean_loss, random_rows
        from labs.tools.interleaved import interleaved, ratios
        from labs.tools.live_bytes import peak_bytes
        from labs.tools.models import before_each_layer, copied

        ctx.progress(0.0, "reading")
        model, device = copied(ctx.model().model), torch.device(ctx.device)
        count, length = params.rows or ROWS.on(ctx.device), params.length or LENGTH.on(ctx.device)
        rows = random_rows(model, count, length)
        arranged = recomputed.arrangements(list(model.model.layers), WAYS)

        def step(name: str) -> None:
            model.model.layers = arranged[name]
            model.zero_grad(set_to_none=False)
            with before_each_layer(model, ctx.check_cancelled):
                mean_loss(model, rows, None).backward()

        step("none")  # the buffers of the gradients are made here
        true = copies(gradients(model))
        step("none")
        result: CheckpointingResult = {
            "rows": count,
            "length": length,
            "ways": {},
            "logits_megabytes": 4 * count * length * model.config.vocab_size / MB,
            "repeats_itself": same_bits(gradients(model), true),
        }
        for index, name in enumerate(WAYS):
            ctx.progress(0.1 + 0.4 * index / len(WAYS), "peak", done=index + 1, total=len(WAYS))
            megabytes = peak_bytes(partial(step, name), device) / MB
            result["ways"][name] = {
                "megabytes": megabytes,
                "memory_ratio": megabytes / result["ways"].get("none", {"megabytes": megabytes})["megabytes"],
                "equal_bits": same_bits(gradients(model), true),
                "formula_time_ratio": time_ratio(model.config, length, *WAYS[name]),
            }
            ctx.emit({**result, "ways": dict(result["ways"])})
        calls: dict[str, Callable[[], object]] = {name: partial(step, name) for name in WAYS}
        budget = TIMED_SECONDS.on(ctx.device)
        times = interleaved(calls, ctx.device, budget, ctx.part(0.5, 1.0, "timing"), min_rounds=MIN_ROUNDS)
        for name, seconds in times.items():
            result["ways"][name]["time_ratio"] = ratios(seconds, times["none"])
        return result

    def so_far(self, params: CheckpointingParams, partials: Partials) -> CheckpointingResult | None:
        return partials[-1] if partials else None  # type: ignore[return-value]

    def show(self, result: CheckpointingResult, text: Words) -> Shown:
        """`memory`: the peak of every way; `time`: what it costs."""
        ways, names = result["ways"], [text(f"kept.{name}") for name in result["ways"]]
        figures = {"memory": _memory(result, names, text)}
        if not all("time_ratio" in cost for cost in ways.values()):
            return Shown(figures)
        figures["time"] = _time(ways, names, text)
        rows: list[Row] = [
            {
                text("recomputed"): name,
                text("axis.peak"): round(cost["megabytes"], 1),
                text("axis.time_ratio"): round(cost["time_ratio"]["median"], 3),
                text("formula"): round(cost["formula_time_ratio"], 3),
                text("bits"): text("same_bits" if cost["equal_bits"] else "other_bits"),
            }
            for name, cost in zip(names, ways.values(), strict=True)
        ]
        every, equal = ways["all"], all(cost["equal_bits"] for cost in ways.values())
        bits = "note.bits_equal" if equal else "note.bits_differ"
        if not result["repeats_itself"]:
            bits = "note.bits_never"
        notes = [
            text("checkpointing.sentence", rows=result["rows"], length=result["length"]),
            text("note.peak", share=100 * every["memory_ratio"], logits=result["logits_megabytes"]),
            text("note.whole", share=100 * ways["whole"]["memory_ratio"]),
            text(bits),
            text("checkpointing.change"),
        ]
        numbers = {
            f"{text('axis.peak')}, {name}": cost["megabytes"]
            for name, cost in zip(names, ways.values(), strict=True)
        }
        spread = every["time_ratio"]
        return Shown(
            figures,
            rows,
            notes,
            numbers,
            {
                "said": SAID_RATIO,
                "formula": every["formula_time_ratio"],
                "measured": spread["median"],
                "low": spread["low"],
                "high": spread["high"],
                "unit": "×",
            },
        )


def time_ratio(config: ModelConfig, length: int, kind: str, size: int) -> float:
    """Operations of a training step with layers computed again, over those without, rows of `length` tokens.

    A backward pass has twice the forward's. torch stops a recomputation as soon as it has what it needs: the
    last product of every run, the down projection, is never made again.

    >>> round(time_ratio(ModelConfig(), 128, "every", 1), 2), time_ratio(ModelConfig(), 128, "every", 0)
    (1.22, 1.0)
    """
    weights = matmul_parameters(config)
    attention = attention_flops_per_pair(config) * length / config.num_layers
    layer = 2 * weights["layers"] / config.num_layers + attention  # a token
    forward = layer * config.num_layers + 2 * weights["head"]
    if kind == "every":
        repeated = runs = config.num_layers // size if size else 0
    else:
        repeated, runs = config.num_layers, -(-config.num_layers // size)
    down = 2 * config.hidden_size * config.intermediate_size
    return 1 + (repeated * layer - runs * down) / (3 * forward)


def _memory(result: CheckpointingResult, names: list[str], text: Words) -> Figure:
    figure = Figure(height=360)
    sizes = [cost["megabytes"] for cost in result["ways"].values()]
    figure.bars(
        sizes,
        names,
        "measured",
        text("measured"),
        hover="%{y}: %{x:,.1f} MB",
        labels=" {:,.1f} MB",
        horizontal=True,
        showlegend=False,
    )
    figure.x_axis(text("axis.peak"), span=(0, 1.5 * max(sizes)))
    figure.y_axis(category=True, reverse=True)
    return figure


def _time(ways: dict[str, Cost], names: list[str], text: Words) -> Figure:
    """Measured with quartiles, arithmetic as a stroke, and what is commonly said as a line."""
    figure, hover = Figure(height=360), "%{y}: %{x:.3g}×"
    spreads = [cost["time_ratio"] for cost in ways.values()]
    medians = [spread["median"] for spread in spreads]
    expected = [cost["formula_time_ratio"] for cost in ways.values()]
    error = error_bars(medians, spreads)
    marks: list[tuple[Role, list[float], str, str, int]] = [
        ("formula", expected, "formula", "line-ns-open", 22),
        ("measured", medians, "measured", "circle", 10),
    ]
    figure.line([SAID_RATIO] * 2, [names[0], names[-1]], "said", text("said"))
    for role, values, name, symbol, size in marks:
        bars = {"error_x": error} if role == "measured" else {}
        figure.marks(values, names, role, text(name), hover=hover, symbol=symbol, size=size, **bars)
    figure.x_axis(text("axis.time_ratio"), span=(0.9, max(1.5, 1.05 * max(medians))))
    figure.y_axis(category=True, categoryorder="array", categoryarray=names[::-1])
    return figure
