"""The speed ladder: one decode step of one user, made faster rung by rung, each measured beside all others.

Every rung decodes the same token, so its logits can be held against those of the first. The floor of a rung
is the time in which this device copies as many bytes as the rung has to read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, switch, whole
from labs.contract.drawing import Figure, error_bars
from labs.contract.machine import Machine
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number, small_number
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import decode_flops, forward_flops, kv_cache_bytes, weight_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q08_speedup.rungs import Rung

BELOW = {
    "cache": "none",
    "static": "cache",
    "flash": "static",
    "joined": "flash",
    "compile": "flash",
    "graph": "flash",
    "kernels": "graph",
    "int8": "joined",
    "one_call": "int8",
}
"""What each rung is compared with: the one that it adds a single thing to. Those of others add to none."""
SECONDS = PerDevice(cpu=2.5, cuda=1.5, mps=2.0)
"""For all timings together, but never less than a few rounds."""
SAID_PRODUCT = 6.0
MEGA, GIGA = 1e6, 1e9


@dataclass(frozen=True)
class LadderParams(Params):
    """`compile` also takes the step through torch.compile, which lets a person wait for a minute."""

    context: int = whole(512, 16, 2048, step=16, unit="tokens", primary=True)
    compile: bool = switch(False)


class OneRung(TypedDict):
    """Seconds of a token with quartiles; what it reads, launches, and how far its logits are off."""

    seconds: dict[str, float]
    num_bytes: int
    operations: int
    """Launched one by one; 1 for a graph or a compiled program."""
    difference: float
    """Of the logits from those of the first rung, the largest."""
    same_token: bool


class LadderResult(TypedDict):
    """`speedup` of each rung over the one below it; `fused` of the last fusion, `top` of all together.

    `missing` says by a key of the catalogue why a rung is not here.
    """

    context: int
    rungs: dict[str, OneRung]
    speedup: dict[str, float]
    spread: dict[str, dict[str, float]]
    top_rung: str
    largest_rung: str
    missing: dict[str, str]
    bandwidth: float
    """Bytes a second that a large copy reads and writes here."""
    arithmetic: float
    """Operations of the first rung over those of a cached step."""


class Ladder(Experiment[LadderParams, LadderResult]):
    """Seconds, bytes and logits of one step on every rung that this device has."""

    def seconds(self, params: LadderParams, device: DeviceClass) -> float:
        compiling = 60.0 if params.compile else 0.0
        if device == "cuda":
            return 4.0 + compiling
        return 4.5 + compiling + 8 * 0.35 * params.context / 512

    def measure(self, params: LadderParams, ctx: Context) -> LadderResult:
        """Build the rungs, compare their logits, time them in turn with a copy for the floor."""
        import torch

        from labs.machine.probes import copies
        from labs.q08_speedup.peer_rungs import peer_rungs
        from labs.q08_speedup.rungs import Rungs, built
        from labs.tools import heldout
        from labs.tools.interleaved import interleaved, middle, ratios

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids = heldout.windows(
            loaded.tokenizer, heldout.held_out("both"), 1, params.context, 0, ctx.check_cancelled
        )
        with ExitStack() as stack, torch.inference_mode():
            maker = Rungs(loaded.model, ids[:, : params.context].to(ctx.device))
            rungs, missing = built(maker, params.compile, ctx.part(0.05, 0.3, "rungs"))
            others, absent = stack.enter_context(peer_rungs(loaded, maker.ids, ctx.check_cancelled))
            reference = rungs["none"].decode().float()
            on_progress = ctx.part(0.3, 1.0, "timing")
            size, copy = list(copies(ctx.device).items())[-1]
            ways = {name: rung.decode for name, rung in {**rungs, **others}.items()}
            times = interleaved({**ways, "copy": copy}, ctx.device, SECONDS.on(ctx.device), on_progress)
            described = {
                name: _described(rung, reference, middle(times[name]))
                for name, rung in {**rungs, **others}.items()
            }
        top = min(rungs, key=lambda name: described[name]["seconds"]["median"])
        pairs = {name: (below, name) for name, below in BELOW.items() if name in rungs and below in rungs}
        pairs |= {"fused": pairs.get("kernels", pairs["joined"]), "top": ("none", top)}
        spread = {name: ratios(times[slow], times[quick]) for name, (slow, quick) in pairs.items()}
        speedup = {name: ratio["median"] for name, ratio in spread.items()}
        config = loaded.model.config
        return {
            "context": params.context,
            "rungs": described,
            "speedup": speedup,
            "spread": {name: {end: ratio[end] for end in ("low", "high")} for name, ratio in spread.items()},
            "top_rung": top,
            "largest_rung": largest(speedup),
            "missing": missing | absent,
            "bandwidth": 2 * size / middle(times["copy"])["median"],
            "arithmetic": forward_flops(config, 1, params.context) / decode_flops(config, 1, params.context),
        }

    def show(self, result: LadderResult, text: Words) -> Shown:
        """`ladder`: tokens a second rung by rung beside the floor; `factors`: each over the one below."""
        rungs, numbers = result["rungs"], {}
        for name, rung in rungs.items():
            numbers[f"{text(f'rung.{name}')} ({text('per_second')})"] = 1 / rung["seconds"]["median"]
        low, high = (result["spread"]["top"][end] for end in ("low", "high"))
        return Shown(
            {"ladder": _rates(result, text), "factors": _factors(result, text)},
            rows=[_row(name, result, text) for name in rungs],
            notes=[
                text("ladder.sentence", context=result["context"], top=text(f"rung.{result['top_rung']}")),
                text("ladder.floor", bandwidth=short_number(result["bandwidth"] / GIGA)),
                *(text(f"missing.{reason}") for reason in dict.fromkeys(result["missing"].values())),
            ],
            numbers=numbers,
            sentence={
                "said": SAID_PRODUCT,
                "formula": result["arithmetic"],
                "measured": result["speedup"]["top"],
                "unit": "×",
                "low": low,
                "high": high,
            },
        )

    def on_machine(self, params: LadderParams, machine: Machine, text: Words) -> str:
        """The floor of a step on that machine, of its weights and cache in its own dtype."""
        config, width = ModelConfig(), machine.bytes_per_number
        weights, cache = weight_bytes(config, width), kv_cache_bytes(config, 1, params.context, width)
        floor = machine.seconds_to_read(weights + cache)
        return text("ladder.machine", floor=short_number(1e3 * floor), rate=short_number(1 / floor))


def largest(speedup: Mapping[str, float]) -> str:
    """The kind of rung with the largest factor; what makes launches vanish is one kind.

    >>> largest({"cache": 1.0, "flash": 1.1, "compile": 3.0, "graph": 9.0})
    'graph'
    """
    kinds = {"cache": ("cache",), "graph": ("compile", "graph"), "int8": ("int8",), "flash": ("flash",)}
    return max(kinds, key=lambda kind: max(speedup.get(rung, 0.0) for rung in kinds[kind]))


def _described(rung: Rung, reference: Tensor, seconds: dict[str, float]) -> OneRung:
    logits = rung.decode().float()
    return {
        "seconds": seconds,
        "num_bytes": rung.num_bytes,
        "operations": rung.operations or 1,
        "difference": float((logits - reference).abs().max()),
        "same_token": bool(logits.argmax() == reference.argmax()),
    }


def _row(name: str, result: LadderResult, text: Words) -> Row:
    rung = result["rungs"][name]
    seconds = rung["seconds"]["median"]
    return {
        text("rung"): text(f"rung.{name}"),
        text("axis.milliseconds"): 1e3 * seconds,
        text("axis.rate"): 1 / seconds,
        text("factor"): _with_quartiles(name, result) if name in result["speedup"] else "",
        text("megabytes"): rung["num_bytes"] / MEGA,
        "GB/s": rung["num_bytes"] / seconds / GIGA,
        text("over_floor"): seconds * result["bandwidth"] / rung["num_bytes"],
        text("operations"): rung["operations"],
        text("difference"): small_number(rung["difference"]),
        text("same_token"): text("yes" if rung["same_token"] else "no"),
        text("trap"): text(f"trap.{name}"),
    }


def _with_quartiles(name: str, result: LadderResult) -> str:
    spread = result["spread"][name]
    return f"{result['speedup'][name]:.2f} ({spread['low']:.2f}–{spread['high']:.2f})"


def _rates(result: LadderResult, text: Words) -> Figure:
    """The first rung on top; each beside the rate at which its bytes alone could be read."""
    rungs, figure = result["rungs"], Figure(height=120 + 44 * len(result["rungs"]))
    names = [text(f"rung.{name}") for name in rungs]
    rates = [1 / rung["seconds"]["median"] for rung in rungs.values()]
    ends = [
        {"low": 1 / rung["seconds"]["high"], "high": 1 / rung["seconds"]["low"]} for rung in rungs.values()
    ]
    floors = [result["bandwidth"] / rung["num_bytes"] for rung in rungs.values()]
    hover = "%{y}: %{x:,.4g}"
    figure.line(
        rates,
        names,
        "measured",
        text("measured"),
        mode="markers",
        size=11,
        hover=hover,
        text=[f"{short_number(rate)}   " for rate in rates],
        textposition="middle left",
        error_x=error_bars(rates, ends),
    )
    figure.marks(floors, names, "formula", text("floor"), size=11, symbol="diamond", hover=hover)
    low, high = min(rates + floors) / 3, max(rates + floors) * 2
    figure.x_axis(
        text("axis.rate"),
        log=True,
        ticks={10.0**power: f"{10**power:,}" for power in range(7)},
        span=(math.log10(low), math.log10(high)),
    )
    figure.y_axis(reverse=True)
    return figure


def _factors(result: LadderResult, text: Words) -> Figure:
    """What each rung brings over the one below it; 1 is nothing. Quartiles stand in the table."""
    names = [name for name in result["rungs"] if name in result["speedup"]]
    factors = [result["speedup"][name] for name in names]
    figure = Figure(height=100 + 40 * len(names))
    figure.bars(
        factors,
        [text(f"rung.{name}") for name in names],
        "measured",
        text("measured"),
        labels="{:.2f}×",
        horizontal=True,
        hover="%{y}: %{x:.2f}×",
    )
    ends = [text(f"rung.{names[0]}"), text(f"rung.{names[-1]}")]
    figure.line([1, 1], ends, "peer", text("nothing"))
    figure.x_axis(text("factor"), span=(0, 1.2 * max(factors)))
    figure.y_axis(reverse=True)
    return figure
