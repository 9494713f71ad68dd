"""The roofline of this machine, with decode steps and prompts of the model on it.

What a pass does for each byte that it has to read decides which of two roofs is above it: how fast this
machine reads, or how fast it multiplies (Williams et al. 2009). Bytes are those of the weights and of the
cache, each once; what a pass writes and reads again in between is left out. A point may lie above the roof
where weights stay in a processor's cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure, error_bars, power_ticks
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number

BATCHES = PerDevice(cpu=(1, 8, 32), cuda=(1, 8, 64, 512))
SHORT_PROMPT = 32
SECONDS = PerDevice(cpu=3.0, cuda=1.5)
FIRST = "decode_1"
NEAR_ROOF = 60
"""Percent of what is allowed, from which on a name above the point would stand on the roof."""
GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True)
class RooflineParams(Params):
    """`context` tokens are in the cache of every decode step, and in the long prompt."""

    context: int = whole(512, 64, 2048, step=64, unit="tokens", primary=True)


class Pass(TypedDict):
    """One kind of pass: `tokens` read in it, operations, the least bytes, and its seconds with quartiles."""

    kind: str
    tokens: int
    operations: float
    num_bytes: float
    seconds: dict[str, float]


class RooflineResult(TypedDict):
    """`bandwidth` in bytes a second of a large copy, `rate` in operations a second of a large product.

    `faster`: operations a second of the long prompt over those of a decode step for one user; `roofs` has the
    same of the roofs above both.
    """

    context: int
    bandwidth: float
    rate: float
    passes: dict[str, Pass]
    faster: float
    roofs: float


class Roofline(Experiment[RooflineParams, RooflineResult]):
    """Operations a second of decode steps and prompts, beside what bytes and arithmetic allow here."""

    def seconds(self, params: RooflineParams, device: DeviceClass) -> float:
        return 5.0 + PerDevice(cpu=params.context * 0.012, cuda=2.0).on(device)

    def measure(self, params: RooflineParams, ctx: Context) -> RooflineResult:
        """All passes in turn with a copy and a product."""
        from labs.machine.probes import copies, product
        from labs.q08_speedup.roofline_passes import passes_of
        from labs.tools.interleaved import interleaved, middle

        ctx.progress(0.0, "loading")
        model = ctx.model().model
        size, copy = list(copies(ctx.device).items())[-1]
        multiply, operations = product(ctx.device, ctx.dtype)
        made = passes_of(model, params.context, BATCHES.on(ctx.device), SHORT_PROMPT, ctx.check_cancelled)
        ways = {name: one.run for name, one in made.items()} | {"copy": copy, "product": multiply}
        times = interleaved(ways, ctx.device, SECONDS.on(ctx.device), ctx.part(0.1, 1.0, "timing"))
        passes: dict[str, Pass] = {
            name: {
                "kind": one.kind,
                "tokens": one.tokens,
                "operations": one.operations,
                "num_bytes": one.num_bytes,
                "seconds": middle(times[name]),
            }
            for name, one in made.items()
        }
        bandwidth = 2 * size / middle(times["copy"])["median"]
        rate = operations / middle(times["product"])["median"]
        first, last = passes[FIRST], passes[list(passes)[-1]]
        return {
            "context": params.context,
            "bandwidth": bandwidth,
            "rate": rate,
            "passes": passes,
            "faster": reached(last) / reached(first),
            "roofs": roof(last, bandwidth, rate) / roof(first, bandwidth, rate),
        }

    def show(self, result: RooflineResult, text: Words) -> Shown:
        """`roofline`: operations a second by operations a byte, under two roofs."""
        passes = result["passes"]
        first, last = passes[FIRST], passes[list(passes)[-1]]
        return Shown(
            {"roofline": _drawn(result, text)},
            rows=[_row(one, result, text) for one in passes.values()],
            notes=[
                text("roofline.sentence", tokens=last["tokens"]),
                text(
                    "roofline.ridge",
                    ridge=short_number(result["rate"] / result["bandwidth"]),
                    one=short_number(intensity(first)),
                    prompt=short_number(intensity(last)),
                ),
                text(f"roofline.{_bound(result)}", share=f"{_share(first, result):.0f}"),
            ],
            numbers={f"{_called(one, text)} (GFLOP/s)": reached(one) / GIGA for one in passes.values()},
            sentence={"said": 1.0, "formula": result["roofs"], "measured": result["faster"], "unit": "×"},
        )


def intensity(one: Pass) -> float:
    """Operations for every byte that has to be read."""
    return one["operations"] / one["num_bytes"]


def reached(one: Pass) -> float:
    """Operations a second."""
    return one["operations"] / one["seconds"]["median"]


def roof(one: Pass, bandwidth: float, rate: float) -> float:
    """Operations a second that its bytes and its arithmetic allow."""
    return min(intensity(one) * bandwidth, rate)


def _share(one: Pass, result: RooflineResult) -> float:
    return 100 * reached(one) / roof(one, result["bandwidth"], result["rate"])


def _bound(result: RooflineResult) -> str:
    """What a decode step for one user waits for: bytes, or, far below both roofs, something else."""
    return "bytes" if _share(result["passes"][FIRST], result) >= 50 else "neither"


def _called(one: Pass, text: Words) -> str:
    return text(f"pass.{one['kind']}", tokens=one["tokens"])


def _row(one: Pass, result: RooflineResult, text: Words) -> Row:
    seconds = one["seconds"]
    low, high = (short_number(1e3 * seconds[end]) for end in ("low", "high"))
    return {
        text("pass"): _called(one, text),
        text("axis.milliseconds"): f"{short_number(1e3 * seconds['median'])} ({low}–{high})",
        text("axis.intensity"): intensity(one),
        "GFLOP": one["operations"] / GIGA,
        "MB": one["num_bytes"] / MEGA,
        text("axis.operations_rate"): reached(one) / GIGA,
        text("share_of_roof"): _share(one, result),
    }


def _beside(one: Pass, result: RooflineResult) -> str:
    """Where a point's name stands: off the other kind's points, and off the roof."""
    if one["kind"] == "decode":
        return "bottom right"
    return "top left" if _share(one, result) < NEAR_ROOF else "bottom left"


def _drawn(result: RooflineResult, text: Words) -> Figure:
    """Both roofs as one line with a corner; every pass a point, named beside it."""
    figure, passes = Figure(height=430), result["passes"].values()
    ridge = result["rate"] / result["bandwidth"]
    ends = [min(ridge, *map(intensity, passes)) / 2, ridge, max(ridge, *map(intensity, passes)) * 2]
    figure.line(
        ends,
        [min(end * result["bandwidth"], result["rate"]) / GIGA for end in ends],
        "formula",
        text("roof"),
        hover="%{x:.3g}: %{y:,.4g} GFLOP/s",
    )
    rates = [reached(one) / GIGA for one in passes]
    spans = [
        {
            end: one["operations"] / one["seconds"][other] / GIGA
            for end, other in (("low", "high"), ("high", "low"))
        }
        for one in passes
    ]
    for kind, symbol in (("decode", "circle"), ("prefill", "square")):
        chosen = [place for place, one in enumerate(passes) if one["kind"] == kind]
        points = [list(passes)[place] for place in chosen]
        figure.line(
            [intensity(one) for one in points],
            [rates[place] for place in chosen],
            "measured",
            text(f"kind.{kind}"),
            symbol=symbol,
            size=11,
            mode="markers",
            text=[_called(one, text) for one in points],
            textposition=[_beside(one, result) for one in points],
            hover="%{text}: %{y:,.4g} GFLOP/s",
            error_y=error_bars([rates[place] for place in chosen], [spans[place] for place in chosen]),
        )
    low, high = min(rates) / 3, 3 * max(*rates, result["rate"] / GIGA)
    figure.x_axis(
        text("axis.intensity"),
        log=True,
        ticks=power_ticks(ends[0], ends[-1]),
        span=(math.log10(ends[0]), math.log10(ends[-1])),
    )
    figure.y_axis(
        text("axis.operations_rate"),
        log=True,
        ticks=power_ticks(low, high),
        span=(math.log10(low), math.log10(high)),
    )
    return figure
