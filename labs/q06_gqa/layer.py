"""One decode step of one attention layer: plain MHA, and shared KV heads in three ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, Experiment, Figure, Params, Shown, Words, table, whole
from labs.contract.drawing import error_bars
from labs.q06_gqa.cache_bytes import (
    BITS,
    MAX_BATCH,
    MEGA,
    QUERY_HEADS,
    cache_bytes,
    cache_length,
    cached_tokens,
    check_cache,
    head_count,
)
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from minimind_core.model.config import ModelConfig

WAYS = ("mha", "native", "grouped", "repeat")
OPTIONS = ("mha", "repeat", "native")
"""The ways among which the slowest is asked for; the grouped product is shown beside them."""
SECONDS = PerDevice(cpu=2.0, cuda=0.5, mps=1.5)
"""For all timings of one run together."""


@dataclass(frozen=True)
class LayerParams(Params):
    """The inputs are random."""

    kv_heads: int = head_count()
    tokens: int = cache_length()
    batch: int = whole(8, 1, MAX_BATCH, primary=True)
    seed: int = seed()


class LayerResult(TypedDict):
    """By way: `milliseconds`, and `relative` to MHA round by round, each as median, low and high.

    `extra_bytes` are asked for by a call, its result included; `differences` are the largest from repetition.
    """

    tokens: int
    milliseconds: dict[str, dict[str, float]]
    relative: dict[str, dict[str, float]]
    extra_bytes: dict[str, int]
    differences: dict[str, float]
    slowest: str
    view: NotRequired[Expected]


class Expected(TypedDict):
    """Time of repeat_kv over MHA: as the caches compare, and as the bytes do that are really moved."""

    caches: float
    traffic: float


class Layer(Experiment[LayerParams, LayerResult]):
    """Results, time and new memory of the ways, on the same inputs."""

    takes = PerDevice(cpu=5.0, cuda=1.5)

    def measure(self, params: LayerParams, ctx: Context) -> LayerResult:
        """Compare the results, time the ways in turn, and count what one call of each creates."""
        from functools import partial

        import torch

        from labs.q06_gqa.sharing import SHARED_WAYS, attend_native, decode_inputs, largest_differences
        from labs.tools.created_bytes import created_bytes
        from labs.tools.interleaved import interleaved, milliseconds, ratios
        from minimind_core.device import DTYPES

        ctx.progress(0.0, "filling")
        tokens = cached_tokens(params.tokens, ctx.device)
        one_layer = (
            cache_bytes(QUERY_HEADS, tokens, params.batch, BITS[ctx.dtype]) // ModelConfig().num_layers
        )
        check_cache(2 * one_layer, ctx.device)
        full, shared = (
            decode_inputs(heads, params.batch, tokens, params.seed, ctx.device, DTYPES[ctx.dtype])
            for heads in (QUERY_HEADS, params.kv_heads)
        )
        ctx.progress(0.2, "comparing")
        ways = {"mha": partial(attend_native, *full)}
        ways |= {name: partial(way, *shared) for name, way in SHARED_WAYS.items()}
        with torch.inference_mode():
            differences = largest_differences(shared)
            on_progress = ctx.part(0.3, 1.0, "timing")
            times = interleaved(ways, ctx.device, SECONDS.on(ctx.device), on_progress)
            extra = {name: created_bytes(way) for name, way in ways.items()}
        relative = {name: ratios(rounds, times["mha"]) for name, rounds in times.items()}
        return {
            "tokens": tokens,
            "milliseconds": milliseconds(times),
            "relative": relative,
            "extra_bytes": extra,
            "differences": differences,
            "slowest": max(OPTIONS, key=lambda name: relative[name]["median"]),
        }

    def view(self, params: LayerParams, result: LayerResult) -> Expected:
        """Copies that are written out are written and read at MHA's size, once the shared cache was read."""
        caches = params.kv_heads / QUERY_HEADS
        return {"caches": caches, "traffic": caches + 2 if caches < 1 else 1}

    def show(self, result: LayerResult, text: Words) -> Shown:
        """`time`: milliseconds of each way; `extra`: new memory that a call asks for."""
        names, times = [text(f"way.{way}") for way in WAYS], [result["milliseconds"][way] for way in WAYS]
        medians = [quartiles["median"] for quartiles in times]
        amounts = [result["extra_bytes"][way] / MEGA for way in WAYS]
        relative = [result["relative"][way]["median"] for way in WAYS]
        time, extra = Figure(), Figure()
        time.bars(
            names,
            medians,
            "measured",
            labels="{:.3g}",
            hover="%{x}: %{y:.3g} ms",
            error_y=error_bars(medians, times),
        )
        time.y_axis(text("axis.milliseconds"))
        extra.bars(names, amounts, "measured", labels="{:.3g}", hover="%{x}: %{y:.4g} MB")
        extra.y_axis(text("axis.extra"))
        repeated, expected = result["relative"]["repeat"], result["view"]
        return Shown(
            {"time": time, "extra": extra},
            rows=table(
                {
                    text("way"): names,
                    text("axis.milliseconds"): medians,
                    text("relative"): relative,
                    text("axis.extra"): amounts,
                    text("difference"): [result["differences"].get(way, 0.0) for way in WAYS],
                }
            ),
            notes=[text("layer.sentence")],
            numbers={f"{name} (×)": times for name, times in zip(names[1:], relative[1:], strict=True)},
            sentence={
                "said": expected["caches"],
                "formula": expected["traffic"],
                "measured": repeated["median"],
                "unit": "×",
                "low": repeated["low"],
                "high": repeated["high"],
            },
        )
