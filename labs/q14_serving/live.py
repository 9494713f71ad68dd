"""The real service under real load: started, loaded, watched while it runs, and broken on purpose.

`python -m serving serve` runs as a process of its own and is spoken to over HTTP; the clients are those of
`python -m serving load`. They work in this process, and one streamed request costs them some 20 ms of it, so
rates stay modest: by default six tenths of what the service has just been seen to answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypedDict

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    Params,
    Partials,
    Shown,
    Words,
    choice,
    real,
    whole,
)
from labs.q14_serving import live_figures
from labs.q14_serving.live_breaks import BREAKS, MOST_RATE, setups
from labs.q14_serving.live_seen import Instant, LiveResult, instant, result_of
from labs.tools.budgets import PerDevice

STARTED = 0.4
"""Share of a service's part of the run after which it is loaded."""
START_SECONDS = PerDevice(cpu=12.0, cuda=8.0)
"""Until a service has loaded its model."""
RATE = PerDevice(cpu=5.0, cuda=20.0)
"""Requests a second that it may be expected to be good for."""


@dataclass(frozen=True)
class LiveParams(Params):
    """`rate` and `goal` 0 suit the machine. `guess`: percent in time, expected of the broken service."""

    fault: str = choice("none", ("none", *BREAKS), primary=True)
    rate: float = real(0.0, 0.0, MOST_RATE, step=0.5, primary=True, label="live_rate")
    guess: int = whole(90, 0, 100, primary=True)
    seconds: int = whole(5, 2, 60)
    slots: int = whole(4, 1, 16)
    tokens: int = whole(24, 1, 100)
    goal: float = real(0.0, 0.0, 10000.0, step=50.0, label="live_goal")
    seed: int = whole(0, 0, 999)
    at: float = real(2.5, 0.0, 120.0, step=0.1, view=True, label="live_at")


class LiveView(TypedDict):
    """Where requests are at one second of each service's run."""

    second: float
    services: dict[str, Instant]


class Live(Experiment[LiveParams, LiveResult]):
    """A sound service, and beside it, where a break is chosen, a broken one under the same arrivals."""

    version = 2
    keep = False

    def seconds(self, params: LiveParams, device: DeviceClass) -> float:
        services = setups(params.fault, params.slots).values()
        start, rate = START_SECONDS.on(device), params.rate or RATE.on(device)
        alone = 0.5 + params.tokens * 0.02
        return sum(
            start * (1 + setup.fallback) + alone + setup.lasts(params.seconds, start, rate)
            for setup in services
        )

    def measure(self, params: LiveParams, ctx: Context) -> LiveResult:
        """One service after the other; what a run has so far is made of what it emits."""
        from labs.q14_serving.live_load import Load, Watcher, serve_load
        from labs.q14_serving.live_service import running

        ctx.progress(0.0, "loading")
        model = ctx.model()
        options = ("--model", model.path, "--device", ctx.device, "--dtype", ctx.dtype)
        services, told = setups(params.fault, params.slots), list[dict[str, Any]]()
        load = Load(params.rate, params.goal, params.seconds, params.tokens, params.seed)
        for place, (name, setup) in enumerate(services.items()):
            begin, end = place / len(services), (place + 1) / len(services)
            ctx.progress(begin, "starting")
            with running(setup, [str(option) for option in options], ctx.check_cancelled) as service:
                watcher = Watcher(ctx, name, (begin + STARTED / len(services), end), told)
                load = asyncio.run(serve_load(service, setup, load, watcher))
        result = result_of(params.fault, params.guess, told)
        assert result is not None
        return result

    def so_far(self, params: LiveParams, partials: Partials) -> LiveResult | None:
        return result_of(params.fault, params.guess, partials)

    def view(self, params: LiveParams, result: LiveResult) -> LiveView:
        last = max(run["seconds"] for run in result["services"].values())
        second = min(params.at, last)
        return {
            "second": second,
            "services": {name: instant(run, second) for name, run in result["services"].items()},
        }

    def show(self, result: LiveResult, text: Words) -> Shown:
        """`latency` of each request; `rates`, `tails`, `queue` over time; `path` at one instant; `guess`."""
        return live_figures.shown(result, text)
