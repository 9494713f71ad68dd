"""The KV cache in fewer bits: keys and values apart, along tokens or channels, before or after RoPE.

About size and quality on text that was not trained on; weights stay as they are. A scale along channels needs
a whole group of tokens, so that a server keeps the newest ones unrounded until there are enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, power_ticks
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

if TYPE_CHECKING:
    from minimind_core.model.minimind import MiniMind

BITS = (8, 4, 2)
WAYS = (
    *("keys_token_after", "keys_channel_after", "keys_token_before", "keys_channel_before"),
    *("values_token", "values_channel", "both"),
)
"""Side, what shares a scale, and for keys the side of RoPE; both are the keys' last way and values_token."""
SYMBOLS = dict(
    zip(WAYS, ("square", "circle", "square-open", "circle-open", "x", "cross", "star"), strict=True)
)
GROUPS = (64, 32, 16)
WIDTH = 256
WINDOWS = PerDevice(cpu=2, cuda=32, mps=4)
SCALE_BITS = 32
"""Of the scale and the lowest value of a group."""
PLAIN_BITS, SAID_BITS = 16, 4
MEGA = 1e6


@dataclass(frozen=True)
class KvQuantParams(Params):
    """`group` numbers share a scale and a lowest value; `context` sizes the cache."""

    group: int = choice(64, GROUPS, primary=True)
    context: int = whole(2048, 64, 131072, step=64, unit="tokens", primary=True)
    windows: int = whole(0, 0, 100)


class RoundedCache(TypedDict):
    """One way in so many bits: perplexity, mean KL in nats, the largest move of a log-probability."""

    way: str
    bits: int
    loss: float
    perplexity: float
    divergence: float
    difference: float


class KvQuantResult(TypedDict):
    """`ways` by way and bits, such as "values_token_4"; `cache_bytes` of both sides by bits, 16 is plain.

    `smaller` is what the packed cache shrinks by with 4 bits, `expected_smaller` what the formula says.
    """

    perplexity: float
    context: int
    group: int
    scored_tokens: int
    ways: dict[str, RoundedCache]
    cache_bytes: dict[str, float]
    smaller: float
    expected_smaller: float


class KvQuant(Experiment[KvQuantParams, KvQuantResult]):
    """Bytes, perplexity and KL of a cache in 8, 4 and 2 bits."""

    def seconds(self, params: KvQuantParams, device: DeviceClass) -> float:
        windows = params.windows or WINDOWS.on(device)
        return PerDevice(cpu=3.0 + 10.0 * windows, cuda=3.0 + 0.3 * windows).on(device)

    def measure(self, params: KvQuantParams, ctx: Context) -> KvQuantResult:
        """Read the same text through a plain cache and through each rounded one."""
        from labs.q08_speedup import kv_rounding
        from labs.q08_speedup.rounding import loss_and_divergence
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded, count = ctx.model(), params.windows or WINDOWS.on(ctx.device)
        model, rows = loaded.model, heldout.held_out_windows(loaded.tokenizer, "both", count, WIDTH, ctx)
        inputs, targets = rows[:, :-1].to(ctx.device), rows[:, 1:].to(ctx.device)  # [N, T] each
        group = min(params.group, model.config.head_dim)
        truths = kv_rounding.read(model, inputs, ctx.part(0.02, 0.06, "scoring"))
        loss, _ = loss_and_divergence(truths, truths, targets)
        ways: dict[str, RoundedCache] = {}
        for (way, bits), part in ctx.parts([(way, bits) for way in WAYS for bits in BITS], 0.06):
            sides = {
                side: kv_rounding.rounding(bits, axis, group)  # type: ignore[arg-type]
                for side, axis in sides_of(way).items()
            }
            guesses = kv_rounding.read(
                model,
                inputs,
                part("rounding_cache", bits=bits),
                sides.get("keys"),
                sides.get("values"),
                before_rope=way.endswith("before") or way == "both",
            )
            new_loss, divergence = loss_and_divergence(guesses, truths, targets)
            ways[f"{way}_{bits}"] = RoundedCache(
                way=way,
                bits=bits,
                loss=new_loss,
                perplexity=math.exp(new_loss),
                divergence=divergence,
                difference=max(float((a - b).abs().max()) for a, b in zip(guesses, truths, strict=True)),
            )
        sizes = _sizes(model, params.context, group)
        return {
            "perplexity": math.exp(loss),
            "context": params.context,
            "group": group,
            "scored_tokens": targets.numel(),
            "ways": ways,
            "cache_bytes": sizes,
            "smaller": sizes[str(PLAIN_BITS)] / sizes[str(SAID_BITS)],
            "expected_smaller": PLAIN_BITS / (SAID_BITS + SCALE_BITS / group),
        }

    def show(self, result: KvQuantResult, text: Words) -> Shown:
        """`quality`: KL by bits, a line for each way; `size`: megabytes of the cache by bits."""
        ways = result["ways"]
        return Shown(
            {"quality": _quality(result, text), "size": _size(result, text)},
            rows=[_row(way, result, text) for way in ways.values()],
            notes=[
                text("kv_quant.sentence", context=result["context"], group=result["group"]),
                text(
                    "kv_quant.text", tokens=result["scored_tokens"], perplexity=f"{result['perplexity']:.2f}"
                ),
                text("kv_quant.group"),
            ],
            numbers={
                f"{text(f'cached.{way}')}, 4 {text('axis.bits')} (KL)": ways[f"{way}_4"]["divergence"]
                for way in WAYS
            },
            sentence={
                "said": PLAIN_BITS / SAID_BITS,
                "formula": result["expected_smaller"],
                "measured": result["smaller"],
                "unit": "×",
            },
        )


def sides_of(way: str) -> dict[str, str]:
    """What shares a scale on each side that a way rounds.

    >>> sides_of("both")
    {'keys': 'channel', 'values': 'token'}
    """
    if way == "both":
        return {"keys": "channel", "values": "token"}
    side, axis, *_ = way.split("_")
    return {side: axis}


def _sizes(model: MiniMind, context: int, group: int) -> dict[str, float]:
    """Bytes of the keys and values of so many tokens by bits, the plain 16 first."""
    from labs.q08_speedup.kv_rounding import cache_bytes

    config = model.config
    numbers = 2 * config.num_layers * config.num_kv_heads * config.head_dim * context
    packed = {str(bits): float(cache_bytes(model, context, bits, group)) for bits in BITS}
    return {str(PLAIN_BITS): numbers * PLAIN_BITS / 8, **packed}


def _row(way: RoundedCache, result: KvQuantResult, text: Words) -> Row:
    size = result["cache_bytes"][str(way["bits"])] / MEGA
    return {
        text("cached"): text(f"cached.{way['way']}"),
        text("axis.bits"): way["bits"],
        text("perplexity"): way["perplexity"],
        text("divergence_cache"): small_number(way["divergence"]),
        text("moved"): small_number(way["difference"]),
        text("both_sides"): size,
    }


def _quality(result: KvQuantResult, text: Words) -> Figure:
    """KL from the unrounded cache; a logarithm, for eight bits and two are orders apart."""
    figure = Figure(height=420)
    every = [way["divergence"] for way in result["ways"].values()]
    for way in WAYS:
        y = [max(result["ways"][f"{way}_{bits}"]["divergence"], 1e-9) for bits in BITS]
        figure.line(
            [str(bits) for bits in BITS],
            y,
            "measured",
            text(f"cached.{way}"),
            symbol=SYMBOLS[way],
            size=9,
            hover="%{x}: %{y:.3g}",
        )
    low, high = max(min(every), 1e-9), max(every)
    figure.x_axis(text("axis.bits"), category=True)
    span = (math.log10(low) - 0.3, math.log10(high) + 0.3)
    figure.y_axis(text("divergence_cache"), log=True, ticks=power_ticks(low, high), span=span)
    return figure


def _size(result: KvQuantResult, text: Words) -> Figure:
    """Measured on packed tensors, scales included."""
    figure, sizes = Figure(height=300), result["cache_bytes"]
    figure.bars(
        [size / MEGA for size in sizes.values()],
        [f"{bits} {text('axis.bits')}" for bits in sizes],
        "measured",
        text("measured"),
        labels="{:.3g} MB",
        horizontal=True,
        hover="%{y}: %{x:.3g} MB",
    )
    figure.x_axis(text("both_sides"), span=(0, 1.25 * max(sizes.values()) / MEGA))
    figure.y_axis(reverse=True)
    return figure
