"""Weights in fewer bits: what they take, how far they move, and what held-out text says of it.

Rounding to nearest with one scale a row or a group; the model computes on as before, so this is about size
and quality. Speed is the ladder's. Beside it two calls of torch that do not do what they seem to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    Figure,
    Params,
    Shown,
    Words,
    choice,
    switch,
    whole,
)
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number

WAYS = {"int8": (8, 0), "int6": (6, 0), "int4_row": (4, 0), "int4_group": (4, 32)}
"""Bits and group (0: a row) of what is always measured."""
YOURS = "yours"
BITS, GROUPS = (8, 6, 4, 3), (0, 128, 64, 32)
WIDTH = 256
WINDOWS = PerDevice(cpu=12, cuda=64, mps=16)
SAID_INT4 = 5.0
"""Percent; the upper end of what is said."""
MEGA = 1e6


@dataclass(frozen=True)
class QuantizeParams(Params):
    """One way of one's own beside the fixed ones, in which the `embedding` may stay as it is.

    `windows` 0 are as many as suit the device.
    """

    bits: int = choice(3, BITS, primary=True)
    group: int = choice(64, GROUPS, primary=True)
    embedding: bool = switch(True)
    windows: int = whole(0, 0, 200)


class Rounded(TypedDict):
    """One way: its perplexity, the mean KL from the unrounded model in nats, and its bytes."""

    bits: int
    group: int
    perplexity: float
    divergence: float
    weight_bytes: float
    scale_bytes: float
    worst_matrix: str
    worst_error: float
    """Size of that matrix's error over the size of the matrix."""
    embedding: NotRequired[bool]
    """False where it was left as it is."""


class QuantizeResult(TypedDict):
    """`rise_percent` of the perplexity by way; `torch`: what its own calls came to, None without them."""

    perplexity: float
    ways: dict[str, Rounded]
    rise_percent: dict[str, float]
    scored_tokens: int
    torch: dict[str, str | int] | None


class Quantize(Experiment[QuantizeParams, QuantizeResult]):
    """Size, movement and perplexity of the model's weights in 8 to 3 bits."""

    def seconds(self, params: QuantizeParams, device: DeviceClass) -> float:
        windows = params.windows or WINDOWS.on(device)
        return PerDevice(cpu=3.0 + 0.7 * windows, cuda=2.0 + 0.02 * windows).on(device)

    def measure(self, params: QuantizeParams, ctx: Context) -> QuantizeResult:
        """Read the same text with the model and with each rounded copy of it."""
        from labs.q08_speedup import rounding
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded, count = ctx.model(), params.windows or WINDOWS.on(ctx.device)
        rows = heldout.held_out_windows(loaded.tokenizer, "both", count, WIDTH, ctx)
        inputs, targets = rows[:, :-1].to(ctx.device), rows[:, 1:].to(ctx.device)  # [N, T] each
        truths = rounding.read(loaded.model, inputs, ctx.part(0.05, 0.15, "scoring"))
        loss, _ = rounding.loss_and_divergence(truths, truths, targets)
        ways = {**WAYS, YOURS: (params.bits, params.group)}
        found: dict[str, Rounded] = {}
        for (name, (bits, group)), part in ctx.parts(ways.items(), 0.15, 0.95):
            on_progress = part("rounding", bits=bits)
            settings = bits, group, params.embedding or name != YOURS
            twin, errors = rounding.round_weights(loaded.model, *settings)
            guesses = rounding.read(twin, inputs, on_progress)
            new_loss, divergence = rounding.loss_and_divergence(guesses, truths, targets)
            payload, worst = (
                rounding.payload_bytes(loaded.model, *settings),
                max(errors, key=errors.__getitem__),
            )
            found[name] = {
                "bits": bits,
                "group": group,
                "perplexity": math.exp(new_loss),
                "divergence": divergence,
                "weight_bytes": payload["weights"],
                "scale_bytes": payload["scales"],
                "worst_matrix": worst,
                "worst_error": errors[worst],
            }
        if not params.embedding:
            found[YOURS]["embedding"] = False
        return {
            "perplexity": math.exp(loss),
            "ways": found,
            "rise_percent": {
                name: 100 * (way["perplexity"] / math.exp(loss) - 1) for name, way in found.items()
            },
            "scored_tokens": targets.numel(),
            "torch": torch_calls(),
        }

    def show(self, result: QuantizeResult, text: Words) -> Shown:
        """`rise`: of the perplexity in percent; `size`: megabytes of weights and of scales."""
        ways, rises = result["ways"], result["rise_percent"]
        names = {name: text(f"quantized.{name}") for name in WAYS} | {"yours": _yours(ways["yours"], text)}
        rise, size = Figure(height=320), Figure(height=320, barmode="stack")
        rise.bars(
            list(rises.values()),
            list(names.values()),
            "measured",
            text("measured"),
            labels=[f"{value:+.2f}%" if abs(value) < 10 else f"{value:+.0f}%" for value in rises.values()],
            horizontal=True,
            hover="%{y}: %{x:+.3f}%",
        )
        most = max(abs(value) for value in rises.values())
        int4 = [names["int4_row"], names["int4_group"]]
        rise.line([SAID_INT4] * 2, int4, "said", text("said_int4"), width=3)
        rise.x_axis(text("axis.rise"), span=(-0.4 * most, 1.4 * most))
        rise.y_axis(reverse=True)
        weights = [way["weight_bytes"] / MEGA for way in ways.values()]
        scales = [way["scale_bytes"] / MEGA for way in ways.values()]
        for amounts, role, part in ((weights, "measured", "weight_bytes"), (scales, "peer", "scale_bytes")):
            size.bars(
                amounts,
                list(names.values()),
                role,  # type: ignore[arg-type]
                text(part),
                horizontal=True,
                hover="%{y}: %{x:.3g} MB",
            )
        size.x_axis(text("axis.megabytes"))
        size.y_axis(reverse=True)
        notes = [
            text("quantize.text", tokens=result["scored_tokens"], perplexity=f"{result['perplexity']:.2f}")
        ]
        if result["torch"] is not None:
            notes.append(text("quantize.torch", **result["torch"]))
        return Shown(
            {"rise": rise, "size": size},
            rows=[_row(names[name], way, rises[name], text) for name, way in ways.items()],
            notes=notes,
            numbers={f"{names[name]} (%)": rises[name] for name in reversed(WAYS)},
        )


def torch_calls() -> dict[str, str | int] | None:
    """Dynamic quantisation of an FP16 layer; modules that a static one leaves, with and without `prepare`."""
    import torch

    from labs.claims.checks import CannotCheck
    from labs.q08_speedup.torch_quantization import dynamic, static_modules

    try:
        return {
            "half": dynamic(torch.float16),
            "prepared": static_modules(prepared=True),
            "unprepared": static_modules(prepared=False),
        }
    except CannotCheck:
        return None


def _yours(way: Rounded, text: Words) -> str:
    group = text("whole_row") if way["group"] == 0 else text("in_groups", group=way["group"])
    key = "quantized.yours" if way.get("embedding", True) else "quantized.layers"
    return text(key, bits=way["bits"], group=group)


def _row(name: str, way: Rounded, rise: float, text: Words) -> dict[str, str | int | float]:
    return {
        text("rounding"): name,
        text("perplexity"): way["perplexity"],
        text("axis.rise"): f"{rise:+.3f}",
        text("divergence"): way["divergence"],
        text("axis.megabytes"): (way["weight_bytes"] + way["scale_bytes"]) / MEGA,
        text("of_scales"): way["scale_bytes"] / MEGA,
        text("worst_matrix"): f"{way['worst_matrix']} ({short_number(100 * way['worst_error'])}%)",
    }
