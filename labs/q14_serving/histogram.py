"""A dashboard's P95 is read from buckets: beside it the true one of the same requests, for buckets of choice.

A simulated service, exact under its seed, at eight loads. Buckets and unit only change what is read of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    Floats,
    Params,
    Row,
    Shown,
    Words,
    choice,
    real,
    whole,
)
from labs.contract.drawing import Figure, Role
from labs.q14_serving.buckets import DEFAULT, OURS, Reading, cumulative, histogram_quantile, own_bounds
from labs.q14_serving.curves import SECOND, given, table_line
from labs.q14_serving.latencies import SHARES, TICKS
from labs.q14_serving.queueing import Fleet, lengths_of, percentile, poisson, simulate

LOADS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
"""Over the chosen rate."""
CHOSEN = LOADS.index(1.0)
REQUESTS = 1500
"""Of each load."""
MORE_SERIES = 3
"""Beside the finite buckets: the infinite one, the sum and the count."""


@dataclass(frozen=True)
class HistogramParams(Params):
    """`first_ms`, `ratio` and `many` are the bounds where `buckets` is "own"."""

    buckets: str = choice("default", ("default", "ours", "own"), primary=True, view=True)
    observed: str = choice("seconds", ("seconds", "milliseconds"), primary=True, view=True)
    percent: int = whole(95, 50, 99, primary=True, view=True, label="percentile")
    first_ms: float = real(50.0, 1.0, 1000.0, step=1.0, view=True, label="own_first")
    ratio: float = real(1.5, 1.1, 10.0, step=0.1, view=True, label="own_ratio")
    many: int = whole(10, 2, 40, view=True, label="own_many")
    goal: float = real(given("goal"), 50.0, 5000.0, step=10.0, view=True)
    rate: float = real(given("rate"), 1.0, 400.0, step=1.0)
    replicas: int = whole(4, 1, 8)
    lengths: str = choice("fixed", ("fixed", "uniform", "geometric"))
    tokens: int = whole(int(given("tokens")), 1, 200)
    seed: int = whole(0, 0, 999)

    def bounds_ms(self) -> list[float]:
        """Upper bounds of the finite buckets, in milliseconds of what is observed."""
        if self.buckets == "own":
            return own_bounds(self.first_ms, self.ratio, self.many)
        unit = SECOND if self.observed == "seconds" else 1
        return [unit * bound for bound in (OURS if self.buckets == "ours" else DEFAULT)]


class Read(TypedDict):
    """A percentile in milliseconds: true, read from the buckets, and the bounds between which it lies."""

    rate: float
    true: float
    read: float
    low: float
    high: float | None


class HistogramView(TypedDict):
    """`counted`: percent at most each bound, at the chosen rate; `by_load`: at every rate.

    `in_time`: percent within the goal, true; `in_time_low` and `in_time_high`: what the buckets say of it.
    `naive`: what default buckets say of milliseconds.
    """

    percent: int
    goal: float
    bounds: list[float]
    counted: list[float]
    by_load: list[Read]
    in_time: float
    in_time_low: float
    in_time_high: float
    naive: float


class HistogramResult(TypedDict):
    """Latencies in milliseconds, sorted, by the rates at which the requests came."""

    rates: list[float]
    latencies: list[Floats]
    view: NotRequired[HistogramView]


class HistogramOfLatencies(Experiment[HistogramParams, HistogramResult]):
    """What is read of a service's P95, at the chosen rate and at others."""

    def seconds(self, params: HistogramParams, device: DeviceClass) -> float:
        return 0.5 + params.tokens * 0.02

    def measure(self, params: HistogramParams, ctx: Context) -> HistogramResult:
        """Every request of the question's service is simulated."""
        line, latencies = table_line(), list[Floats]()
        fleet = Fleet(params.replicas, line.alpha, line.beta, int(given("cap")))
        rates = [load * params.rate for load in LOADS]
        for rate, part in ctx.parts(rates):
            part("simulating")
            arrivals = poisson(rate, REQUESTS / rate, params.seed) or [0.0]
            lengths = lengths_of(params.lengths, params.tokens, len(arrivals), params.seed + 1)
            latencies.append(np.sort(np.asarray(simulate(fleet, arrivals, lengths).latencies, np.float32)))
        return {"rates": rates, "latencies": latencies}

    def view(self, params: HistogramParams, result: HistogramResult) -> HistogramView:
        """Counted into the buckets and read as Prometheus reads them."""
        bounds, chosen = params.bounds_ms(), result["latencies"][CHOSEN]
        counts = cumulative(chosen.tolist(), bounds)
        percents = [100 * count / len(chosen) for count in counts]
        place = int(np.searchsorted(bounds, params.goal))
        known = place < len(bounds) and bounds[place] == params.goal
        below = percents[place - 1] if place else 0.0
        above = percents[place] if place < len(bounds) else 100.0
        return {
            "percent": params.percent,
            "goal": params.goal,
            "bounds": bounds,
            "counted": percents,
            "by_load": [
                _read(rate, times.tolist(), bounds, params.percent)
                for rate, times in zip(result["rates"], result["latencies"], strict=True)
            ],
            "in_time": 100 * float((chosen <= params.goal).mean()),
            "in_time_low": above if known else below,
            "in_time_high": above,
            "naive": _reading(chosen.tolist(), DEFAULT, params.percent).value,
        }

    def show(self, result: HistogramResult, text: Words) -> Shown:
        """`curve`: share by latency, true and as the buckets have it; `by_load`: the percentile by rate."""
        seen = result["view"]
        chosen = seen["by_load"][CHOSEN]
        rows: list[Row] = [
            {
                text("axis.rate"): one["rate"],
                text("reading.true"): one["true"],
                text("reading.read"): one["read"],
                text("reading.low"): one["low"],
                text("reading.high"): text("reading.open") if one["high"] is None else one["high"],
            }
            for one in seen["by_load"]
        ]
        return Shown(
            {"curve": _curve(result, text), "by_load": _by_load(seen, text)},
            rows,
            _notes(seen, text),
            numbers={text("reading.true"): chosen["true"], text("reading.read"): chosen["read"]},
            sentence={
                "said": seen["naive"],
                "formula": chosen["read"],
                "measured": chosen["true"],
                "unit": "ms",
            },
        )


def _reading(times: list[float], bounds: Sequence[float], percent: int) -> Reading:
    return histogram_quantile(percent / 100, bounds, cumulative(times, bounds), len(times))


def _read(rate: float, times: list[float], bounds: list[float], percent: int) -> Read:
    reading, true = _reading(times, bounds, percent), percentile(times, percent)
    return {"rate": rate, "true": true, "read": reading.value, "low": reading.low, "high": reading.high}


def _curve(result: HistogramResult, text: Words) -> Figure:
    """From bound to bound the reading assumes straight lines; each percentile lies on its own line."""
    figure, seen = Figure(), result["view"]
    times, chosen, percent = result["latencies"][CHOSEN].tolist(), seen["by_load"][CHOSEN], seen["percent"]
    top = 1.1 * max(seen["goal"], times[-1])
    some = 1 + sum(bound <= top for bound in seen["bounds"])  # the line goes on to one bound outside
    bounds, counted = [0.0, *seen["bounds"][:some]], [0.0, *seen["counted"][:some]]
    true = [percentile(times, share) for share in SHARES]
    figure.line(true, SHARES, "measured", text("reading.true"), hover="%{x:.0f} ms: %{y}%", width=2.5)
    figure.line(bounds, counted, "formula", text("reading.assumed"), size=8, hover="%{x:g} ms: %{y:.1f}%")
    percentiles: tuple[tuple[Role, str, float], ...] = (
        ("measured", "reading.true_percentile", chosen["true"]),
        ("formula", "reading.read_percentile", chosen["read"]),
    )
    for role, name, at in percentiles:
        figure.marks(
            [at],
            [percent],
            role,
            text(name, percent=percent),
            symbol="diamond",
            size=13,
            hover="%{x:,.0f} ms",
        )
    figure.x_axis(text("axis.latency"), span=(0, max(top, 1.1 * min(chosen["read"], 2 * top))))
    figure.y_axis(text("axis.share"), span=(0, 104))
    return figure


def _by_load(seen: HistogramView, text: Words) -> Figure:
    """The percentile by the rate, true and read, and the goal."""
    figure, percent = Figure(height=320), seen["percent"]
    rates = [one["rate"] for one in seen["by_load"]]
    true, read = ([one[key] for one in seen["by_load"]] for key in ("true", "read"))
    figure.line(
        rates, true, "measured", text("reading.true"), size=8, hover="%{x:g}: %{y:,.0f} ms", width=2.5
    )
    figure.line(rates, read, "formula", text("reading.read"), size=8, hover="%{x:g}: %{y:,.0f} ms")
    figure.line(rates, [seen["goal"]] * len(rates), "peer", text("goal_line"), hover="%{y:,.0f} ms")
    low, high = min([*true, *read, seen["goal"]]) / 1.3, max([*true, *read, seen["goal"]]) * 1.3
    figure.x_axis(text("axis.rate"), from_zero=True)
    figure.y_axis(
        text("axis.percentile", percent=percent),
        log=True,
        ticks={tick: f"{tick:,}" for tick in TICKS if low <= tick <= high},
        span=(float(np.log10(low)), float(np.log10(high))),
    )
    return figure


def _notes(seen: HistogramView, text: Words) -> list[str]:
    """What the buckets know, how far off the reading is, and whether the goal can be checked."""
    chosen, percent = seen["by_load"][CHOSEN], seen["percent"]
    said = {key: chosen[key] for key in ("true", "read", "low", "high")}
    off = [100 * (one["read"] / one["true"] - 1) for one in seen["by_load"]]
    exact = seen["in_time_low"] == seen["in_time_high"]
    shares = {key: seen[key] for key in ("goal", "in_time", "in_time_low", "in_time_high")}
    return [
        text("histogram.sentence", percent=percent),
        text(f"histogram.{'beyond' if chosen['high'] is None else 'between'}", percent=percent, **said),
        text("histogram.off", least=min(off), most=max(off)),
        text(f"histogram.{'goal_known' if exact else 'goal_unknown'}", **shares),
        text("histogram.cost", many=len(seen["bounds"]), series=len(seen["bounds"]) + MORE_SERIES),
    ]
