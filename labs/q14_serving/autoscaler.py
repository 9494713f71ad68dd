"""When to start and stop replicas while the load goes up and down: three rules for one set of arrivals.

A simulation, exact under its seed. `scaling.py` has the replicas and the rules.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import (
    Context,
    Data,
    DeviceClass,
    Experiment,
    Params,
    Row,
    Shown,
    Words,
    real,
    switch,
    whole,
)
from labs.contract.drawing import Figure, Role
from labs.q14_serving.curves import SECOND, given
from labs.q14_serving.queueing import percentile
from labs.q14_serving.scaling import Policy, Scaled, Service, Target, Thresholds, changing_arrivals

END, RISE, FALL, RAMP = 600.0, 120.0, 360.0, 60.0
"""Seconds of the run, and when the load begins to rise and to fall, over a ramp."""
CALM = 0.2
"""Of the peak: the load before and after it."""
SLOTS, BOUNDS, EVERY = 8, (2, 10), 10.0
"""Requests that a replica serves at once, the fewest and most replicas, seconds between two looks."""
ROLES: dict[str, Role] = {"chosen": "measured", "hasty": "peer", "said": "said"}
SEEN = ("in_time_percent", "p95", "orders", "gpu_hours", "dollars")
TOKENS = 50
"""Of an answer."""
FLAPPING = 1.5
"""Times the starts and stops that the need itself asks for."""


@dataclass(frozen=True)
class AutoscalerParams(Params):
    """`hold`: seconds a lower need must last. `count_starting`: replicas under way count as there.

    The rule of thresholds adds one above `up_latency` (ms, the mean) or `up_waiting` requests that wait, and
    takes one away below both of the others.
    """

    cold_start: float = real(30.0, 0.0, 120.0, step=5.0, primary=True)
    target: float = real(70.0, 20.0, 100.0, step=5.0, primary=True)
    hold: float = real(60.0, 0.0, 300.0, step=10.0, primary=True)
    count_starting: bool = switch(True)
    peak: float = real(100.0, 10.0, 200.0, step=5.0)
    service_ms: float = real(300.0, 50.0, 1000.0, step=10.0)
    goal: float = real(500.0, 50.0, 5000.0, step=10.0)
    price: float = real(given("price"), 0.1, 20.0, step=0.1)
    up_latency: float = real(given("scale_up_above"), 50.0, 5000.0, step=10.0)
    up_waiting: int = whole(100, 0, 2000)
    down_latency: float = real(given("scale_down_below"), 0.0, 5000.0, step=10.0)
    down_waiting: int = whole(20, 0, 2000)
    seed: int = whole(0, 0, 999)

    def rate(self, now: float) -> float:
        """Requests due a second at that time."""
        risen = min(max((now - RISE) / RAMP, 0.0), 1.0) - min(max((now - FALL) / RAMP, 0.0), 1.0)
        return self.peak * (CALM + (1 - CALM) * risen)


class Way(TypedDict):
    """Of one rule: answered in time, P95 in ms, replicas ordered or sent away, cost a million tokens.

    `ready` replicas, `waiting` requests and `window_p95` (ms, of those that came since the look before; None
    where none did) at every look.
    """

    in_time_percent: float
    p95: float
    orders: int
    gpu_hours: float
    dollars: float
    ready: list[int]
    waiting: list[int]
    window_p95: list[float | None]


class AutoscalerResult(TypedDict):
    """`needed`: replicas that keep the target at the rate of each look, by Little's law.

    `alone`: milliseconds of a request that never waits.
    """

    goal: float
    alone: NotRequired[float]
    looks: list[float]
    needed: list[float]
    ways: NotRequired[dict[str, Way]]


class Autoscaler(Experiment[AutoscalerParams, AutoscalerResult]):
    """The chosen rule, a hasty one that flaps, and thresholds on the latency as commonly shown."""

    def seconds(self, params: AutoscalerParams, device: DeviceClass) -> float:
        return 0.3 + params.peak * 0.03

    def formula(self, params: AutoscalerParams) -> Data:
        """Little's law: rate times service time are busy slots."""
        looks = [EVERY * tick for tick in range(1, int(END / EVERY) + 1)]
        busy = params.service_ms / SECOND / (SLOTS * params.target / 100)
        return {
            "goal": params.goal,
            "alone": params.service_ms,
            "looks": looks,
            "needed": [params.rate(look) * busy for look in looks],
        }

    def measure(self, params: AutoscalerParams, ctx: Context) -> AutoscalerResult:
        """The same arrivals under each rule."""
        arrivals = changing_arrivals(params.rate, params.peak, END, params.seed)
        services = [params.service_ms / SECOND] * len(arrivals)
        policies: dict[str, Policy] = {
            "chosen": Target(SLOTS, params.target / 100, params.hold, impatient=not params.count_starting),
            "hasty": Target(SLOTS, params.target / 100, 0.0, impatient=True),
            "said": Thresholds(
                params.up_latency / SECOND,
                params.up_waiting,
                params.down_latency / SECOND,
                params.down_waiting,
            ),
        }
        ways: dict[str, Way] = {}
        on_progress = ctx.part(0.0, 1.0, "simulating")
        for name, policy in policies.items():
            service = Service(policy, slots=SLOTS, cold_start=params.cold_start, bounds=BOUNDS, every=EVERY)
            ways[name] = _way(service.run(arrivals, services, END), arrivals, params)
            on_progress(len(ways) / len(policies))
        return {**self.formula(params), "ways": ways}  # type: ignore[typeddict-item]

    def show(self, result: AutoscalerResult, text: Words) -> Shown:
        """`replicas`: needed and ready over time; `tail`: P95 of those who came; `queue`: who waits."""
        if "ways" not in result:
            return Shown({})
        ways = result["ways"]
        rows: list[Row] = [
            {text("rule"): text(f"rule.{name}"), **{text(f"scaled.{key}"): way[key] for key in SEEN}}  # type: ignore[literal-required]
            for name, way in ways.items()
        ]
        said = {f"{name}_{key}": way[key] for name, way in ways.items() for key in SEEN}  # type: ignore[literal-required]
        last = {f"{name}_last": way["ready"][-1] for name, way in ways.items()}
        flaps = text("autoscaler.flaps" if _flaps(result) else "autoscaler.calm")
        more = {"goal": result["goal"], "flaps": flaps}
        shrank = any(after < before for before, after in itertools.pairwise(ways["said"]["ready"]))
        keys = [f"{name}_down" if name == "said" and shrank else name for name in ways]
        notes = [text(f"autoscaler.{key}", **said, **last, **more) for key in keys]
        if (alone := result.get("alone", 0.0)) > result["goal"]:
            notes.insert(0, text("autoscaler.infeasible", alone=alone, goal=result["goal"]))
        numbers = {text(f"scaled.{key}"): float(ways["chosen"][key]) for key in SEEN}  # type: ignore[literal-required]
        figures = {
            "replicas": _over_time(result, "ready", text),
            "tail": _over_time(result, "window_p95", text),
            "queue": _over_time(result, "waiting", text),
        }
        return Shown(figures, rows, [*notes, text("autoscaler.cost")], numbers)


def _flaps(result: AutoscalerResult) -> bool:
    """Whether the hasty rule starts and stops many more replicas than the need itself rises and falls."""
    needed = [min(max(math.ceil(each), BOUNDS[0]), BOUNDS[1]) for each in result["needed"]]
    least = sum(abs(after - before) for before, after in itertools.pairwise(needed))
    return result["ways"]["hasty"]["orders"] > FLAPPING * least


def _way(scaled: Scaled, arrivals: list[float], params: AutoscalerParams) -> Way:
    latencies = [SECOND * latency for latency in scaled.latencies]
    windows: list[list[float]] = [[] for _ in scaled.looks]
    for arrival, latency in zip(arrivals, latencies, strict=True):
        windows[min(int(arrival / EVERY), len(windows) - 1)].append(latency)
    hours = scaled.replica_seconds / 3600
    return {
        "in_time_percent": 100 * sum(latency <= params.goal for latency in latencies) / len(latencies),
        "p95": percentile(latencies, 95),
        "orders": scaled.orders,
        "gpu_hours": hours,
        "dollars": 1e6 * hours * params.price / (TOKENS * len(latencies)),
        "ready": scaled.ready,
        "waiting": scaled.waiting,
        "window_p95": [percentile(window, 95) if window else None for window in windows],
    }


def _over_time(result: AutoscalerResult, key: str, text: Words) -> Figure:
    """A staircase a rule; beside the replicas those that are needed, beside the tail its goal."""
    figure, looks = Figure(height=300), result["looks"]
    for name, way in result["ways"].items():
        figure.line(
            looks,
            way[key],  # type: ignore[literal-required]
            ROLES[name],
            text(f"rule.{name}"),
            shape="hv",
            hover="%{x} s: %{y:,.4g}",
            width=2.5 if name == "chosen" else 1.5,
        )
    if key == "ready":
        figure.line(looks, result["needed"], "formula", text("needed"), hover="%{x} s: %{y:.3g}")
    if key == "window_p95":
        figure.line(looks, [result["goal"]] * len(looks), "formula", text("goal_line"), hover="%{y:,.0f} ms")
    figure.x_axis(text("axis.seconds"))
    figure.y_axis(text(f"axis.{key}"), from_zero=True)
    return figure
