"""What a client saw: percentiles of latencies, and the figures that the simulation and the real run share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from labs.contract import Figure, Role, Words
from labs.q14_serving.queueing import percentile

SHARES = list(range(0, 101, 2))
"""Percent of the requests at which a distribution is drawn."""
POINTS = 120
"""Of a line over time."""
TICKS = [digit * 10**power for power in range(5) for digit in (1, 2, 3, 5, 7)]
"""Milliseconds."""
PERCENTILES = (50, 95, 99)


class Timeline(TypedDict):
    """Requests in flight over the seconds of the run."""

    seconds: list[float]
    in_flight: list[float]


class Seen(TypedDict):
    """Of one client: requests by what became of them, `rate` sent a second, `goodput` answered in time."""

    sent: int
    answered: int
    rejected: int
    expired: int
    rate: float
    goodput: float
    mean: float
    p50: float
    p95: float
    p99: float
    curve: list[float]
    """Milliseconds that so many percent of the answered requests did not exceed, at `SHARES`."""


def seen(latencies: Sequence[float], fates: Sequence[str], seconds: float, goal: float) -> Seen:
    """Sum up answered requests' milliseconds and everybody's fate, over so many seconds of sending."""
    known = list(latencies) or [0.0]
    p50, p95, p99 = (percentile(known, percent) for percent in PERCENTILES)
    return {
        "sent": len(fates),
        "answered": fates.count("answered"),
        "rejected": fates.count("rejected"),
        "expired": fates.count("expired"),
        "rate": len(fates) / seconds,
        "goodput": sum(latency <= goal for latency in latencies) / seconds,
        "mean": float(np.mean(known)),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "curve": [percentile(known, share) for share in SHARES],
    }


def distributions(curves: Mapping[Role, tuple[str, Seen]], goal: float, text: Words) -> Figure:
    """Share of the requests by latency, a line for each client, named at its end; the goal as a line."""
    figure = Figure()
    longest = max([goal, *(each["curve"][-1] for _, each in curves.values())])
    shortest = min([goal, *(each["curve"][0] for _, each in curves.values())])
    for role, (name, each) in curves.items():
        figure.line(each["curve"], SHARES, role, name, hover="%{x:.4g} ms: %{y}%", width=2.5)
    figure.line(
        [goal, goal],
        [0, 100],
        "peer",
        hover="%{x:.4g} ms",
        width=1,
        text=[f" {text('goal_line')}", ""],
        textposition="top right",
        showlegend=False,
    )
    low, high = max(shortest, 1.0) / 1.3, longest * 1.3
    figure.x_axis(
        text("axis.latency"),
        log=True,
        ticks={tick: f"{tick:,}" for tick in TICKS if low <= tick <= high},
        span=(float(np.log10(low)), float(np.log10(high))),
    )
    figure.y_axis(text("axis.share"), span=(0, 104))
    return figure


def in_flight(times: Sequence[float], counts: Sequence[float], expected: float, text: Words) -> Figure:
    """Requests in flight over seconds, and what Little's law says of them."""
    figure = Figure(height=300)
    figure.line(times, counts, "measured", text("in_flight"), hover="%{x:.3g} s: %{y}", shape="hv")
    if times:
        figure.line([times[0], times[-1]], [expected, expected], "formula", text("little"), hover="%{y:.4g}")
    figure.x_axis(text("axis.seconds"))
    figure.y_axis(text("axis.in_flight"), from_zero=True)
    return figure
