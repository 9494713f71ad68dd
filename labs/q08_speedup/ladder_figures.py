"""The ladder drawn: rungs beside their floors, what each adds, and the table. No torch."""

from __future__ import annotations

import math

from labs.contract import Row, Words
from labs.contract.drawing import Figure, error_bars
from labs.contract.filling import readable
from labs.q08_speedup.ladder_result import LadderResult
from labs.tools.written import short_number, small_number

MEGA, GIGA = 1e6, 1e9


def batch_of(result: LadderResult) -> int:
    """Users who each get a token by a step."""
    return result.get("batch", 1)


def row(name: str, result: LadderResult, text: Words) -> Row:
    rung, batch = result["rungs"][name], batch_of(result)
    seconds = rung["seconds"]["median"]
    return {
        text("rung"): text(f"rung.{name}"),
        text("axis.milliseconds"): 1e3 * seconds,
        text("axis.rate"): batch / seconds,
        text("factor"): _with_quartiles(name, result) if name in result["speedup"] else "",
        text("megabytes"): rung["num_bytes"] / batch / MEGA,
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


def rates(result: LadderResult, text: Words) -> Figure:
    """The first rung on top; each beside the rate at which its bytes alone could be read."""
    rungs, figure = result["rungs"], Figure(height=120 + 44 * len(result["rungs"]))
    names = [text(f"rung.{name}") for name in rungs]
    batch = batch_of(result)
    reached = [batch / rung["seconds"]["median"] for rung in rungs.values()]
    ends = [
        {"low": batch / rung["seconds"]["high"], "high": batch / rung["seconds"]["low"]}
        for rung in rungs.values()
    ]
    floors = [batch * result["bandwidth"] / rung["num_bytes"] for rung in rungs.values()]
    hover = "%{y}: %{x:,.4g}"
    figure.line(
        reached,
        names,
        "measured",
        text("measured"),
        mode="markers",
        size=11,
        hover=hover,
        text=[f"{short_number(rate)}   " for rate in reached],
        textposition="middle left",
        error_x=error_bars(reached, ends),
    )
    figure.marks(floors, names, "formula", text("floor"), size=11, symbol="diamond", hover=hover)
    low, high = min(reached + floors) / 3, max(reached + floors) * 2
    figure.x_axis(
        text("axis.rate"),
        log=True,
        ticks={10.0**power: f"{10**power:,}" for power in range(7)},
        span=(math.log10(low), math.log10(high)),
    )
    figure.y_axis(reverse=True)
    return figure


def factors(result: LadderResult, text: Words) -> Figure:
    """What each rung brings over the one below it; 1 is nothing. Quartiles stand in the table."""
    names = [name for name in result["rungs"] if name in result["speedup"]]
    gains = [result["speedup"][name] for name in names]
    figure = Figure(height=100 + 40 * len(names))
    figure.bars(
        gains,
        [text(f"rung.{name}") for name in names],
        "measured",
        text("measured"),
        horizontal=True,
        hover="%{y}: %{x:.2f}×",
    )
    # right of the line at 1, which would cross the number of a rung that loses
    figure.words(
        [max(gain, 1.0) for gain in gains],
        [text(f"rung.{name}") for name in names],
        [f"  {readable(gain):.2f}×" for gain in gains],
        textposition="middle right",
        cliponaxis=False,
    )
    ends = [text(f"rung.{names[0]}"), text(f"rung.{names[-1]}")]
    figure.line([1, 1], ends, "peer", text("nothing"))
    figure.x_axis(text("factor"), span=(0, 1.2 * max(gains)))
    figure.y_axis(reverse=True)
    return figure
