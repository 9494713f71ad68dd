"""How fast the model decodes with 8, 2 and 1 KV heads, beside what reading the bytes alone would allow.

The byte model (`cache_bytes.py`) knows nothing of arithmetic and of the time to launch a kernel, which is
why a measured ratio lies below it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Required, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Numbers, OnProgress, Params, Shown, Words
from labs.contract.drawing import Figure, error_bars
from labs.contract.fields import choice
from labs.contract.machine import Machine
from labs.contract.table import table
from labs.q06_gqa.cache_bytes import (
    BITS,
    CURVE,
    LIVE_BATCH,
    MAX_BATCH,
    QUERY_HEADS,
    SHARED,
    SYMBOLS,
    VARIANTS,
    ByBatch,
    ByteModel,
    bounds,
    byte_model,
    cache_bytes,
    cache_length,
    cached_tokens,
    check_cache,
    step_bytes,
)
from labs.tools.budgets import PerDevice, free_bytes

if TYPE_CHECKING:
    from minimind_core.model.minimind import MiniMind

BATCHES = (1, 4, 16, 32, 128, 512, MAX_BATCH)
"""Batches of the measured curve, as far as the device goes."""
QUICK_BATCH = PerDevice(cpu=4, cuda=512, mps=16)
"""The largest batch unless one is asked for."""
SECONDS = PerDevice(cpu=5.5, cuda=1.8, mps=4.0)
"""For all timings of one run together; building the models comes on top."""
MEMORY_SHARE = 0.6
"""Of the free memory: what batches that nobody asked for may take."""
SAID_SPEEDUP = 4.0
"""What most people answer for GQA-2 at batch 1: the ratio of the caches."""

QuartilesByBatch = dict[str, dict[str, Numbers]]
"""`ByBatch` with "low" and "high", and "median" where that is not given beside it."""


@dataclass(frozen=True)
class DecodeParams(Params):
    """`max_batch` 0 goes as far as is quick on the device."""

    tokens: int = cache_length()
    max_batch: int = choice(0, (0, *BATCHES), primary=True)


class DecodeResult(TypedDict, total=False):
    """`speedup` over MHA is the median of the rounds' ratios, `spread` their quartiles."""

    byte_model: Required[ByteModel]
    tokens: int
    batches: list[int]
    tokens_per_second: QuartilesByBatch
    speedup: ByBatch
    spread: QuartilesByBatch
    byte_model_tokens_per_second: ByBatch


class Decode(Experiment[DecodeParams, DecodeResult]):
    """One greedy decode step with 8, 2 and 1 KV heads in turn, over the batch."""

    drawn_by_formula = True

    def seconds(self, params: DecodeParams, device: DeviceClass) -> float:
        largest = params.max_batch or QUICK_BATCH.on(device)
        if device == "cuda":
            return 3 + 1.5 * largest * params.tokens / (512 * 2048)
        tokens = cached_tokens(params.tokens, device)
        return 8 + 3 * min(largest, LIVE_BATCH.on(device)) * tokens / (16 * 2048)

    def formula(self, params: DecodeParams) -> Data:
        """The byte model at the length that was asked for; its speedups stand where a run has its own."""
        model = byte_model(params.tokens)
        return {"byte_model": model, "speedup": model["speedup"]}

    def measure(self, params: DecodeParams, ctx: Context) -> DecodeResult:
        """Time the steps at every batch; the variants share weights, which are random."""
        from labs.q06_gqa.decoding import random_models, read_bandwidth
        from labs.tools.interleaved import middle, ratios
        from minimind_core.device import DTYPES

        ctx.progress(0.0, "building")
        tokens, bits = cached_tokens(params.tokens, ctx.device), BITS[ctx.dtype]
        batches = batches_that_fit(params.max_batch, tokens, ctx.device, bits)
        made = random_models(VARIANTS.values(), ctx.device, DTYPES[ctx.dtype])
        models = dict(zip(VARIANTS, made, strict=True))
        ctx.progress(0.1, "memory")
        bandwidth = read_bandwidth(ctx.device)
        speeds: QuartilesByBatch = {name: {} for name in VARIANTS}
        speedup: ByBatch = {name: {} for name in SHARED}
        spread: QuartilesByBatch = {name: {} for name in SHARED}
        seconds = SECONDS.on(ctx.device) / len(batches)
        for batch, part in ctx.parts(batches, 0.15, 1.0):
            on_progress = part("decoding", batch=batch)
            times = _step_times(models, batch, tokens, ctx.device, seconds, on_progress)
            for name in VARIANTS:
                speeds[name][str(batch)] = middle([batch / second for second in times[name]])
            for name in SHARED:
                spread[name][str(batch)] = ratio = ratios(times["mha"], times[name])
                speedup[name][str(batch)] = ratio.pop("median")
        return {
            "tokens": tokens,
            "batches": batches,
            "tokens_per_second": speeds,
            "speedup": speedup,
            "spread": spread,
            "byte_model": byte_model(tokens),
            "byte_model_tokens_per_second": bounds(tokens, batches, bandwidth, bits),
        }

    def show(self, result: DecodeResult, text: Words) -> Shown:
        """`speedup`: over MHA against batch, by the byte model and measured; `rate`: tokens a second."""
        if "spread" not in result:
            return Shown({"speedup": _speedup(result, text)})
        batches = list(map(str, result["batches"]))
        ratios = {
            f"{text(name)} (×)": [row[batch] for batch in batches] for name, row in result["speedup"].items()
        }
        speeds = {
            f"{text(name)} ({text('per_second')})": [row[batch]["median"] for batch in batches]
            for name, row in result["tokens_per_second"].items()
        }
        single, spread = result["speedup"]["gqa"]["1"], result["spread"]["gqa"]["1"]
        return Shown(
            {"speedup": _speedup(result, text), "rate": _rate(result, text)},
            rows=table({text("axis.batch"): result["batches"], **speeds, **ratios}),
            notes=[text("decode.sentence", tokens=result["tokens"])],
            numbers={name: column[0] for name, column in ratios.items()},
            sentence={
                "said": SAID_SPEEDUP,
                "formula": result["byte_model"]["speedup"]["gqa"]["1"],
                "measured": single,
                "unit": "×",
                "low": spread["low"],
                "high": spread["high"],
            },
        )

    def on_machine(self, params: DecodeParams, machine: Machine, text: Words) -> str:
        """The least time of a step for one sequence, and the batch up to which the weights' bytes decide."""
        bits, tokens = 8 * machine.bytes_per_number, params.tokens
        read = {name: step_bytes(heads, tokens, 1, bits) for name, heads in VARIANTS.items()}
        floors = {name: 1e3 * machine.seconds_to_read(num_bytes) for name, num_bytes in read.items()}
        return text("decode.floor", tokens=tokens, knee=machine.knee_batch, **floors)


def batches_that_fit(max_batch: int, tokens: int, device: str, bits: int) -> list[int]:
    """The batches of the measured curve, of which the first is always tried.

    Raises ConfigError if the largest that was asked for does not fit.
    """

    def all_caches(batch: int) -> int:
        """The caches of the three variants exist at the same time."""
        return sum(cache_bytes(heads, tokens, batch, bits) for heads in VARIANTS.values())

    limit = min(max_batch or QUICK_BATCH.on(device), LIVE_BATCH.on(device))
    batches = [batch for batch in BATCHES if batch <= limit]
    if max_batch:
        check_cache(all_caches(batches[-1]), device)
        return batches
    available = free_bytes(device)
    room = math.inf if available is None else MEMORY_SHARE * available
    return [batch for batch in batches if batch == 1 or all_caches(batch) <= room]


def _step_times(
    models: Mapping[str, MiniMind],
    batch: int,
    tokens: int,
    device: str,
    seconds: float,
    on_progress: OnProgress,
) -> dict[str, list[float]]:
    """Seconds of one step by variant, one number a round. The caches are given back at the end."""
    from labs.machine.probes import FullCacheStep
    from labs.tools.interleaved import interleaved

    steps = {}
    for name, model in models.items():
        on_progress(0.0)
        steps[name] = FullCacheStep(model, batch, tokens, "graph").run
    return interleaved(steps, device, seconds, on_progress)


def _speedup(result: DecodeResult, text: Words) -> Figure:
    model, figure = result["byte_model"], Figure()
    spread = result.get("spread", {})
    for name, curve in model["speedup"].items():
        figure.line(
            list(map(int, curve)),
            list(curve.values()),
            "formula",
            text("byte_model"),
            hover="%{x}: %{y:.2f}×",
            text=[""] * (len(curve) - 1) + [f"{text(name)} "],
            textposition="top left",
            showlegend=name == SHARED[0],
        )
    for name, quartiles in spread.items():
        points = result["speedup"][name]
        ratios = list(points.values())
        figure.line(
            list(map(int, points)),
            ratios,
            "measured",
            f"{text('measured')}, {text(name)}",
            hover="%{x}: %{y:.2f}×",
            symbol=SYMBOLS[name],
            size=10,
            error_y=error_bars(ratios, quartiles.values()),
        )
    figure.line([CURVE[0], CURVE[-1]], [SAID_SPEEDUP] * 2, "said", text("said"))
    highest = [ratio["high"] for ratio in spread.get("mqa", {}).values()]
    top = 1.1 * max([QUERY_HEADS, *highest])
    figure.line(
        [model["break_even"]["gqa"]] * 2,
        [0, top],
        "peer",
        text=[f" {text('break_even')}", ""],
        textposition="top right",
        showlegend=False,
    )
    _batch_axis(figure, text, CURVE)
    figure.y_axis(text("axis.speedup"), span=(0, top))
    return figure


def _rate(result: DecodeResult, text: Words) -> Figure:
    """Lines are named at their ends; the legend names a kind of line once."""
    figure, batches = Figure(), result["batches"]
    drawn: list[float] = []
    ends: list[tuple[float, float, str]] = []
    for name in VARIANTS:
        bound, speeds = result["byte_model_tokens_per_second"][name], result["tokens_per_second"][name]
        first = name == next(iter(VARIANTS))
        figure.line(
            list(map(int, bound)),
            list(bound.values()),
            "formula",
            text("byte_model"),
            hover="%{x}: %{y:,.0f}",
            showlegend=first,
        )
        medians = [speed["median"] for speed in speeds.values()]
        figure.line(
            list(map(int, speeds)),
            medians,
            "measured",
            text("measured"),
            hover="%{x}: %{y:,.0f}",
            symbol=SYMBOLS[name],
            size=9,
            error_y=error_bars(medians, speeds.values()),
            showlegend=first,
        )
        drawn += [*bound.values(), *medians]
        ends.append((batches[-1], medians[-1], text(name)))
    low, high = min(drawn) / 1.2, max(drawn) * 1.2
    figure.name_ends(ends, low, high, log=True)
    _batch_axis(figure, text, batches)
    figure.y_axis(text("axis.rate"), log=True, span=(math.log10(low), math.log10(high)))
    return figure


def _batch_axis(figure: Figure, text: Words, batches: Sequence[int]) -> None:
    """A logarithmic axis with room for the lines' names; every second of many batches is written."""
    ticks = batches[::2] if len(batches) > 7 else batches
    first, last = math.log10(batches[0]), math.log10(batches[-1])
    room = max(last - first, 0.3)
    figure.x_axis(
        text("axis.batch"),
        log=True,
        ticks={batch: f"{batch:,}" for batch in ticks},
        span=(first - 0.05 * room, last + 0.3 * room),
    )
