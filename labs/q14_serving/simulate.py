"""How many GPUs keep the goal: replicas that decode in batches, simulated request by request under a seed.

Beside it what can be said by hand: Little's law, rows per GPU and their step time, Erlang's formula.
Imports no torch. A run of the table's machines is decode steps only; `prefill` adds the prompts.
"""

from __future__ import annotations

from dataclasses import replace

from labs.contract import Context, Data, DeviceClass, Experiment, Role, Row, Shown, ThreeNumbers, Words
from labs.q14_serving.curves import SECOND
from labs.q14_serving.latencies import POINTS, Seen, distributions, in_flight
from labs.q14_serving.queueing import in_flight_at
from labs.q14_serving.service import (
    KNEE,
    KNEE_REQUESTS,
    Knee,
    SimulateParams,
    SimulateResult,
    by_hand,
    counts,
    run,
    summary,
    try_out,
)
from labs.q14_serving.simulate_figures import full_batches, knee_figure, notes, replicas_figure

SEEN = ("rate", "goodput", "mean", "p50", "p95", "p99", "sent", "rejected", "expired")

ROLES: tuple[Role, ...] = ("measured", "said", "peer")
"""Of the open and the closed client, and of the other way to batch."""


class Simulate(Experiment[SimulateParams, SimulateResult]):
    """The chosen fleet under open and closed clients; then more and fewer GPUs, and other rates."""

    version = 2

    def seconds(self, params: SimulateParams, device: DeviceClass) -> float:
        return 0.8 + params.rate * params.duration * 1e-5 + params.tokens * params.replicas * 1e-3

    def formula(self, params: SimulateParams) -> Data:
        """Little's law, rows and their step time, and the fewest GPUs by these."""
        return by_hand(params)

    def measure(self, params: SimulateParams, ctx: Context) -> SimulateResult:
        """Every simulation is one of `queueing.py`; a seed gives the same numbers on any machine."""
        on_progress = ctx.part(0.0, 1.0, "simulating")
        outcome = run(params)
        opened = summary(params, outcome)
        on_progress(0.2)
        closed = summary(params, run(params, closed=True))
        other = replace(params, batching="static" if params.batching == "continuous" else "continuous")
        others = summary(other, run(other))
        on_progress(0.4)
        tried = _by_replicas(params, ctx)
        last = outcome.arrivals[-1]
        times = [last * point / POINTS for point in range(POINTS + 1)]
        fitting = [int(count) for count, p95 in tried.items() if p95 < params.goal]
        return {
            **by_hand(params),
            "gpus_needed": min(fitting, default=None),
            "little": {"in_flight": outcome.mean_in_flight, "product": params.rate * opened["mean"] / SECOND},
            "open": opened,
            "closed": closed,
            "other": others,
            "busy_percent": 100 * outcome.busy_share,
            "by_replicas": tried,
            "knee": _knee(params, ctx),
            "timeline": {
                "seconds": [time / SECOND for time in times],
                "in_flight": [float(count) for count in in_flight_at(outcome.arrivals, outcome.ends, times)],
            },
        }

    def show(self, result: SimulateResult, text: Words) -> Shown:
        """`replicas`: P95 by GPUs; `latency` by client; `in_flight` over time; `knee`: goodput by rate."""
        if "open" not in result:
            return Shown({})
        opened, closed, other = result["open"], result["closed"], result["other"]
        other_way = text("batching.static" if result["batching"] == "continuous" else "batching.continuous")
        who: dict[str, Seen] = {text("client.open"): opened, text("client.closed"): closed, other_way: other}
        timeline, expected = result["timeline"], result["little"]["product"]
        figures = {
            "replicas": replicas_figure(result, text),
            "latency": distributions(dict(zip(ROLES, who.items(), strict=True)), result["goal"], text),
            "in_flight": in_flight(timeline["seconds"], timeline["in_flight"], expected, text),
            "knee": knee_figure(result, text),
        }
        rows: list[Row] = [
            {text("client"): name, **{text(f"seen.{key}"): each[key] for key in SEEN}}  # type: ignore[literal-required]
            for name, each in who.items()
        ]
        numbers = {text(f"seen.{key}"): opened[key] for key in ("p95", "p99", "goodput")}
        needed, hand = result["gpus_needed"], result["gpus_by_hand"]
        sentence: ThreeNumbers | None = None
        if needed is not None and hand is not None:
            sentence = {
                "said": full_batches(result),
                "formula": hand,
                "measured": needed,
                "unit": text("gpus"),
            }
        return Shown(figures, rows, notes(result, text), numbers, sentence)


def _by_replicas(params: SimulateParams, ctx: Context) -> dict[str, float]:
    """P95 by the number of GPUs, up to one more than are needed."""
    on_progress, tried, enough = ctx.part(0.4, 0.7, "comparing"), dict[str, float](), False
    for index, count in enumerate(counts(params)):
        tried[str(count)] = try_out(params, replicas=count, rate=params.rate)["p95"]
        on_progress(index / len(counts(params)))
        if enough:
            break
        enough = tried[str(count)] < params.goal
    return tried


def _knee(params: SimulateParams, ctx: Context) -> Knee:
    """Goodput of the chosen fleet at other rates."""
    on_progress = ctx.part(0.7, 1.0, "comparing")
    offered, goodput = [params.rate * share for share in KNEE], list[float]()
    for rate in offered:
        some = try_out(params, replicas=params.replicas, rate=rate, requests=KNEE_REQUESTS)
        goodput.append(some["goodput"])
        on_progress(len(goodput) / len(offered))
    return {"offered": offered, "goodput": goodput}
