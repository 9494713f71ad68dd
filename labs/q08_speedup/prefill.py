"""Reading a prompt with fused attention and with attention written out, over the length of the prompt.

Two of the model's layers stand for all of them, which are alike. Beside it the bytes of the scores that
written-out attention makes and the fused kernel does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, choice
from labs.contract.drawing import Figure, error_bars, round_ticks
from labs.tools.budgets import PerDevice, free_bytes
from labs.tools.written import small_number
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig

LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
QUICK_LENGTH = PerDevice(cpu=2048, cuda=8192)
"""The longest prompt unless one is asked for."""
LAYERS = 2
SECONDS = PerDevice(cpu=2.5, cuda=1.0, mps=2.0)
"""For all timings of one length, but never less than a few rounds."""
MIN_ROUNDS = 3
SAID = {512: 1.2, 2048: 1.5, 4096: 2.0}
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
MOST_COUNTED = 1024
"""The longest prompt whose new memory is counted: all of it stays alive for that."""
COPIES = 4
"""Of the scores, alive at the same time in written-out attention."""
MEGA = 1e6


@dataclass(frozen=True)
class PrefillParams(Params):
    """`longest` 0 goes as far as is quick on the device."""

    longest: int = choice(0, (0, *LENGTHS), primary=True)
    batch: int = choice(1, (1, 4, 8, 32), primary=True)


class PrefillResult(TypedDict):
    """By length: milliseconds of both ways, their ratio, and new memory of one layer's attention."""

    batch: int
    milliseconds: dict[str, dict[str, dict[str, float]]]
    speedup: dict[str, float]
    spread: dict[str, dict[str, float]]
    score_bytes: dict[str, int]
    """One copy of one layer's scores, by the formula."""
    created_bytes: dict[str, dict[str, int]]
    difference: float
    """Of the hidden states of the two ways at the shortest length, the largest."""


class Prefill(Experiment[PrefillParams, PrefillResult]):
    """Time and new memory of both kinds of attention over the length."""

    def seconds(self, params: PrefillParams, device: DeviceClass) -> float:
        longest = params.longest or QUICK_LENGTH.on(device)
        count = sum(length <= longest for length in LENGTHS)
        if device == "cuda":
            return 2.0 + 1.5 * count
        return 2.0 + 1.5 * count + 9 * params.batch * (longest / 2048) ** 2

    def measure(self, params: PrefillParams, ctx: Context) -> PrefillResult:
        """Random weights of the 26M's shape: neither speed nor memory depends on them."""
        from functools import partial

        import torch

        from labs.q08_speedup.prompt_reading import attention_bytes, read, two_ways
        from labs.tools.interleaved import interleaved, middle, ratios

        ctx.progress(0.0, "building")
        longest = params.longest or QUICK_LENGTH.on(ctx.device)
        lengths = [length for length in LENGTHS if length <= longest]
        _check_memory(params.batch, lengths[-1], ctx)
        layers = two_ways(ModelConfig(), LAYERS, ctx.device, ctx.dtype)
        result: PrefillResult = {
            "batch": params.batch,
            "milliseconds": {"fused": {}, "written": {}},
            "speedup": {},
            "spread": {},
            "score_bytes": {},
            "created_bytes": {"fused": {}, "written": {}},
            "difference": 0.0,
        }
        work = sum(length**1.5 for length in lengths)
        done = 0.0
        for length in lengths:
            share = length**1.5 / work
            on_progress = ctx.part(done, done + share, "prefill", length=length)
            done += share
            ids = torch.zeros(params.batch, length, dtype=torch.int64, device=ctx.device)
            ways = {name: partial(read, decoder, ids) for name, decoder in layers.items()}
            if length == lengths[0]:
                fused, written = (way().float() for way in ways.values())
                result["difference"] = float((fused - written).abs().max())
            times = interleaved(ways, ctx.device, SECONDS.on(ctx.device), on_progress, min_rounds=MIN_ROUNDS)
            key = str(length)
            for name in ways:
                result["milliseconds"][name][key] = middle([1e3 * second for second in times[name]])
                if length <= MOST_COUNTED:
                    result["created_bytes"][name][key] = attention_bytes(layers[name], params.batch, length)
            ratio = ratios(times["written"], times["fused"])
            result["speedup"][key] = ratio["median"]
            result["spread"][key] = {end: ratio[end] for end in ("low", "high")}
            result["score_bytes"][key] = score_bytes(params.batch, length, ctx.dtype)
        return result

    def show(self, result: PrefillResult, text: Words) -> Shown:
        """`speedup`: of fused attention over the length; `memory`: new memory of one layer's attention."""
        lengths = [int(length) for length in result["speedup"]]
        speedups = list(result["speedup"].values())
        figure = Figure()
        figure.line(
            lengths,
            speedups,
            "measured",
            text("measured"),
            size=9,
            hover="%{x}: %{y:.2f}×",
            error_y=error_bars(speedups, result["spread"].values()),
        )
        figure.line(list(SAID), list(SAID.values()), "said", text("said"), size=8, hover="%{x}: %{y}×")
        figure.x_axis(
            text("axis.length"),
            log=True,
            ticks={length: f"{length:,}" for length in sorted({*lengths, *SAID})},
        )
        figure.y_axis(text("axis.prefill"), from_zero=True)
        return Shown(
            {"speedup": figure, "memory": _memory(result, text)},
            rows=[
                {
                    text("axis.length"): length,
                    **{
                        f"{text(way)} (ms)": result["milliseconds"][way][str(length)]["median"]
                        for way in ("written", "fused")
                    },
                    text("factor_fused"): result["speedup"][str(length)],
                    text("scores"): result["score_bytes"][str(length)] / MEGA,
                }
                for length in lengths
            ],
            notes=[
                text("prefill.note", batch=result["batch"], difference=small_number(result["difference"]))
            ],
            numbers={
                f"{length:,} {text('unit_tokens')} (×)": result["speedup"][str(length)]
                for length in reversed(lengths)
            },
        )


def score_bytes(batch: int, length: int, dtype: str) -> int:
    """One copy of the scores of all heads of one layer of the 26M.

    >>> score_bytes(1, 512, "fp16")
    4194304
    """
    return batch * ModelConfig().num_heads * length**2 * BYTES[dtype]


def _check_memory(batch: int, length: int, ctx: Context) -> None:
    """Raises ConfigError where written-out attention would not fit."""
    needed, available = COPIES * score_bytes(batch, length, ctx.dtype), free_bytes(ctx.device)
    if available is not None and needed > available:
        raise ConfigError(
            f"Written-out scores need about {needed / 1e9:.1f} GB here, and this device has "
            f"{available / 1e9:.1f} GB; take a smaller batch or a shorter prompt.",
            key="q08.scores",
            needed=needed / 1e9,
            available=available / 1e9,
        )


def _memory(result: PrefillResult, text: Words) -> Figure:
    figure = Figure()
    lengths = [int(length) for length in result["score_bytes"]]
    formula = [size / MEGA for size in result["score_bytes"].values()]
    hover = "%{x}: %{y:,.4g} MB"
    figure.line(lengths, formula, "formula", text("scores_once"), hover=hover)
    drawn = list(formula)
    for way, symbol in (("written", "circle"), ("fused", "square")):
        counted = result["created_bytes"][way]
        created = [size / MEGA for size in counted.values()]
        figure.line(
            list(map(int, counted)), created, "measured", text(way), hover=hover, symbol=symbol, size=9
        )
        drawn += created
    figure.log_axes(lengths, drawn, room=0.05)
    figure.x_axis(text("axis.length"), ticks={length: f"{length:,}" for length in lengths})
    figure.y_axis(text("axis.created"), ticks=round_ticks(min(drawn) / 2, 2 * max(drawn)))
    return figure
