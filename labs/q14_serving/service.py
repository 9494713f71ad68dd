"""The simulated service: what can be asked of it, one run of it, and what is known by hand. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Params, choice, real, switch, whole
from labs.q14_serving.curves import SECOND, Line, latency_of, rows_of, table_line, tail_of
from labs.q14_serving.erlang import erlang_wait, mean_wait, variation_of
from labs.q14_serving.latencies import Seen, Timeline, seen
from labs.q14_serving.queueing import Closed, Fleet, Outcome, arrivals_of, lengths_of, simulate

LINES = {"table": table_line(), "h200": Line(0.815, 0.00068)}
"""The problem's table; our engine's steps of 50-token replies in bf16 on an H200: q14/calibrate"""
MOST_MORE = 8
"""GPUs beyond the fewest stable ones that are tried."""
SIDE_REQUESTS = 6000
"""Of each simulation beside the main one."""
KNEE_REQUESTS = 2000
KNEE = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0)
"""Offered rates of the goodput curve, over the chosen one."""


@dataclass(frozen=True)
class SimulateParams(Params):
    """`alpha` and `beta` are looked at where `curve` is "own". A freeze begins in the middle."""

    rate: float = real(100.0, 1.0, 2000.0, step=1.0, primary=True)
    replicas: int = whole(4, 1, 8, primary=True)
    lengths: str = choice("fixed", ("fixed", "uniform", "geometric"), primary=True)
    curve: str = choice("table", ("table", "h200", "own"))
    alpha: float = real(6.0, 0.0, 1000.0, step=0.1)
    beta: float = real(0.2, 0.0, 100.0, step=0.01)
    tokens: int = whole(50, 1, 200)
    cap: int = whole(32, 1, 512)
    batching: str = choice("continuous", ("continuous", "static"))
    window: float = real(0.0, 0.0, 100.0, step=1.0)
    arrivals: str = choice("poisson", ("poisson", "bursty", "even"))
    goal: float = real(500.0, 50.0, 5000.0, step=10.0)
    shed: bool = switch(False)
    queue: int = whole(1000, 1, 2000)
    prefill: float = real(0.0, 0.0, 200.0, step=0.5)
    freeze: float = real(0.0, 0.0, 10.0, step=0.5)
    duration: int = whole(60, 10, 300)
    seed: int = whole(0, 0, 999)

    @property
    def line(self) -> Line:
        """The step time that was asked for."""
        return LINES.get(self.curve) or Line(self.alpha, self.beta)


class LittleLaw(TypedDict):
    """Requests in flight: the mean over time, and `product`, the rate times the mean latency."""

    in_flight: float
    product: NotRequired[float]


class ByHand(TypedDict):
    """`capacity` in requests a second with full batches. None where no state is steady.

    `wait`: M/M/c, exponential service; `general_wait`: M/G/c, service times as varied as the lengths are.
    """

    rows: float
    latency: float
    tail: float
    alone: float
    capacity: float
    slots: int
    waiting_percent: float | None
    wait: float | None
    general_wait: float | None


class Knee(TypedDict):
    """Answered in time, by the rate offered; both a second."""

    offered: list[float]
    goodput: list[float]


class SimulateResult(TypedDict):
    """Of `replicas` GPUs; `by_replicas` holds P95 by their number. Milliseconds unless it says otherwise."""

    replicas: int
    rate: float
    tokens: int
    goal: float
    batching: str
    by_hand: ByHand
    tails: dict[str, float]
    gpus_needed: int | None
    gpus_by_hand: int | None
    little: LittleLaw
    open: NotRequired[Seen]
    closed: NotRequired[Seen]
    other: NotRequired[Seen]
    busy_percent: NotRequired[float]
    by_replicas: NotRequired[dict[str, float]]
    knee: NotRequired[Knee]
    timeline: NotRequired[Timeline]


def run(params: SimulateParams, *, closed: bool = False) -> Outcome:
    """One simulation: an open client, or a closed one that pauses a mean gap between its requests."""
    middle = SECOND * params.duration / 2
    freeze = (middle, middle + SECOND * params.freeze) if params.freeze else None
    arrivals = arrivals_of(params.arrivals, params.rate, params.duration, params.seed)
    client = Closed(1, SECOND / params.rate, SECOND * params.duration) if closed else None
    return simulate(
        _fleet(params, params.replicas, freeze), arrivals, _lengths(params, len(arrivals)), client
    )


def try_out(params: SimulateParams, *, replicas: int, rate: float, requests: int = SIDE_REQUESTS) -> Seen:
    """What an open client sees of so many replicas at that rate, over about so many requests, unfrozen."""
    seconds = min(params.duration, requests / rate)
    arrivals = arrivals_of(params.arrivals, rate, seconds, params.seed)
    outcome = simulate(_fleet(params, replicas, None), arrivals, _lengths(params, len(arrivals)))
    return seen(outcome.latencies, outcome.fates, seconds, params.goal)


def summary(params: SimulateParams, outcome: Outcome) -> Seen:
    """What the client of a simulation saw."""
    return seen(outcome.latencies, outcome.fates, params.duration, params.goal)


def _fleet(params: SimulateParams, replicas: int, freeze: tuple[float, float] | None) -> Fleet:
    """Shedding drops who has waited longer than the goal allows."""
    return Fleet(
        replicas,
        params.line.alpha,
        params.line.beta,
        params.cap,
        static=params.batching == "static",
        prefill=params.prefill,
        window=params.window,
        queue_limit=params.queue,
        patience=params.goal if params.shed else math.inf,
        freeze=freeze,
    )


def _lengths(params: SimulateParams, count: int) -> list[int]:
    return lengths_of(params.lengths, params.tokens, max(count, 1), params.seed + 1)


def counts(params: SimulateParams) -> range:
    """Numbers of GPUs to try: from one too few for the load."""
    alone = params.line.requests_per_second(params.cap, params.tokens, params.prefill)
    too_few = max(1, int(params.rate / alone))
    return range(too_few, too_few + MOST_MORE)


def by_hand(params: SimulateParams) -> SimulateResult:
    """What needs no simulation: prompts take their share of the time, and each request waits for its own."""
    tokens, prefill = params.tokens, params.prefill

    def line(replicas: int) -> Line:
        return params.line.beside(params.rate / replicas * prefill / SECOND)

    def rows(replicas: int) -> float:
        return min(rows_of(line(replicas), params.rate, tokens, replicas), params.cap)

    tails = {count: prefill + tail_of(line(count), rows(count), tokens) for count in counts(params)}
    enough = [count for count, tail in tails.items() if tail < params.goal and rows(count) < params.cap]
    chosen, batch = line(params.replicas), rows(params.replicas)
    capacity = params.replicas * params.line.requests_per_second(params.cap, tokens, prefill)
    latency = prefill + latency_of(chosen, batch, tokens)
    erlangs, servers = params.rate * latency / SECOND, params.replicas * params.cap
    steady = params.rate < capacity and erlangs < servers
    variation = variation_of(params.lengths, tokens)
    return {
        "replicas": params.replicas,
        "rate": params.rate,
        "tokens": tokens,
        "goal": params.goal,
        "batching": params.batching,
        "by_hand": {
            "rows": batch,
            "latency": latency,
            "tail": prefill + tail_of(chosen, batch, tokens),
            "alone": prefill + latency_of(params.line, 1, tokens),
            "capacity": capacity,
            "slots": servers,
            "waiting_percent": 100 * erlang_wait(erlangs, servers) if steady else None,
            "wait": mean_wait(erlangs, servers, latency) if steady else None,
            "general_wait": mean_wait(erlangs, servers, latency, variation) if steady else None,
        },
        "tails": {str(count): tail for count, tail in tails.items()},
        "gpus_needed": min(enough, default=None),
        "gpus_by_hand": min(enough, default=None),
        "little": {"in_flight": params.rate * latency / SECOND},
    }
