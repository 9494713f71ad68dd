"""One replica is slow, or dead: who still gets its requests, and what comes of them, under four balancers.

A simulation, exact under its seed. `unsteady.py` has the replicas, their misfortune and the balancers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labs.contract import (
    Context,
    DeviceClass,
    Experiment,
    Params,
    Row,
    Shown,
    ThreeNumbers,
    Words,
    choice,
    real,
    switch,
    whole,
)
from labs.q14_serving.balancing_figures import (
    DURATION,
    SEEN,
    BalancingResult,
    ByBalance,
    in_time_figure,
    notes,
    shares_figure,
)
from labs.q14_serving.curves import SECOND, given, latency_of, table_line
from labs.q14_serving.queueing import Fleet, percentile, poisson
from labs.q14_serving.unsteady import (
    BALANCES,
    VICTIM,
    Balanced,
    Misfortune,
    balanced,
    share_of_dead,
    share_of_slow,
)

BEGIN, WINDOW = 15.0, 2.0
"""Seconds after which the misfortune begins, and of one point of the figure over time."""
WELL = 95.0
"""Percent in time from which a window counts as well."""


@dataclass(frozen=True)
class BalancingParams(Params):
    """`notice`: seconds until the balancer leaves a dead replica out. `lasts`: seconds of the misfortune."""

    trouble: str = choice("slow", ("slow", "dead", "none"), primary=True)
    slowness: float = real(4.0, 1.0, 20.0, step=0.5, primary=True)
    notice: float = real(5.0, 0.0, 30.0, step=0.5, primary=True)
    retry: bool = switch(False)
    lasts: float = real(20.0, 1.0, 40.0, step=1.0)
    replicas: int = whole(5, 2, 8)
    rate: float = real(given("rate"), 1.0, 400.0, step=1.0)
    tokens: int = whole(int(given("tokens")), 1, 200)
    goal: float = real(given("goal"), 50.0, 5000.0, step=10.0)
    seed: int = whole(0, 0, 999)

    @property
    def misfortune(self) -> Misfortune:
        """The same in milliseconds."""
        begin, dead = SECOND * BEGIN, self.trouble == "dead"
        return Misfortune(
            begin,
            begin + SECOND * self.lasts,
            self.slowness if self.trouble == "slow" else 1.0,
            dead,
            begin + SECOND * self.notice,
        )

    @property
    def unnoticed(self) -> float:
        """Seconds in which the balancer sends to the victim although something is wrong with it."""
        return min(self.notice, self.lasts) if self.trouble == "dead" else self.lasts


class Balancing(Experiment[BalancingParams, BalancingResult]):
    """The same arrivals and the same misfortune under each balancer."""

    def seconds(self, params: BalancingParams, device: DeviceClass) -> float:
        return 0.3 + params.rate * 0.02

    def formula(self, params: BalancingParams) -> BalancingResult:
        """The victim's share; what each balancer takes it for decides."""
        count, dead = params.replicas, params.trouble == "dead"
        slowness = params.misfortune.slowness
        line = table_line()
        capacity = line.requests_per_second(given("cap"), params.tokens)
        load = params.rate * latency_of(line, 1, params.tokens) / SECOND
        least = share_of_dead(load, count) if dead else share_of_slow(slowness, count)
        return {
            "trouble": params.trouble,
            "slowness": params.slowness,
            "notice": params.notice,
            "retry": params.retry,
            "replicas": count,
            "rate": params.rate,
            "goal": params.goal,
            "seconds": [WINDOW * (place + 1) for place in range(round(DURATION / WINDOW))],
            "shares": {
                "round_robin": 100 / count,
                "random": 100 / count,
                "two": 200 / count if dead else 100 / count if slowness == 1 else None,
                "least": 100 * least,
            },
            "unnoticed": params.unnoticed,
            "victim_capacity": 0.0 if dead else capacity / slowness,
        }

    def measure(self, params: BalancingParams, ctx: Context) -> BalancingResult:
        """Every balancer decides for the same requests; only its own choices differ."""
        line = table_line()
        fleet = Fleet(params.replicas, line.alpha, line.beta, int(given("cap")))
        arrivals = poisson(params.rate, DURATION, params.seed)
        balances: dict[str, ByBalance] = {}
        on_progress = ctx.part(0.0, 1.0, "simulating")
        for name in BALANCES:
            run = balanced(
                fleet,
                arrivals,
                [params.tokens],
                name,
                params.misfortune,
                retry=params.retry,
                seed=params.seed,
            )
            balances[name] = _summary(run, params)
            on_progress(len(balances) / len(BALANCES))
        return {**self.formula(params), "balances": balances}

    def show(self, result: BalancingResult, text: Words) -> Shown:
        """`in_time` over the run; `share`: what the victim gets, by hand and counted."""
        if "balances" not in result:
            return Shown({})
        balances = result["balances"]
        nobody = text("live.nobody")
        rows: list[Row] = [
            {
                text("balancer"): text(f"balance.{name}"),
                **{
                    text(f"balanced.{key}"): nobody if seen[key] is None else seen[key]  # type: ignore[literal-required]
                    for key in SEEN
                },
                text("balanced.late_until"): seen["late_until"],
            }
            for name, seen in balances.items()
        ]
        least, by_hand = balances["least"], result["shares"]["least"]
        sentence: ThreeNumbers | None = None
        if least["share"] is not None and by_hand is not None:
            sentence = {
                "said": 100 / result["replicas"],
                "formula": by_hand,
                "measured": least["share"],
                "unit": text("share_unit"),
            }
        return Shown(
            {"in_time": in_time_figure(result, text), "share": shares_figure(result, text)},
            rows,
            notes(result, text),
            numbers={
                text(f"balanced.{key}"): float(least[key]) for key in ("in_time_percent", "failed", "p95")
            },
            sentence=sentence,
        )


def _summary(run: Balanced, params: BalancingParams) -> ByBalance:
    outcome, begin = run.outcome, SECOND * BEGIN
    rows = list(zip(outcome.arrivals, outcome.ends, outcome.fates, strict=True))
    in_time = [fate == "answered" and end - at <= params.goal for at, end, fate in rows]
    later = [place for place, (at, _, _) in enumerate(rows) if at >= begin]
    until = begin + SECOND * params.unnoticed
    first = [run.places[place] for place in later if rows[place][0] < until]
    times = [rows[place][1] - rows[place][0] for place in later if rows[place][2] == "answered"] or [0.0]
    windows: list[list[bool]] = [[] for _ in range(round(DURATION / WINDOW))]
    for (at, _, _), met in zip(rows, in_time, strict=True):
        windows[int(at / SECOND / WINDOW)].append(met)
    percents = [100 * sum(each) / len(each) if each else None for each in windows]
    return {
        "share": 100 * first.count(VICTIM) / len(first) if first else None,
        "failed": sum(rows[place][2] == "failed" for place in later)
        + sum(fate == "failed" for at, _, fate in rows if at < begin),
        "in_time_percent": 100 * sum(in_time[place] for place in later) / max(len(later), 1),
        "p50": percentile(times, 50),
        "p95": percentile(times, 95),
        "p99": percentile(times, 99),
        "windows": percents,
        "late_until": _late_until(percents, BEGIN + params.lasts),
    }


def _late_until(percents: Sequence[float | None], over: float) -> float:
    """Seconds after `over`."""
    unwell = [WINDOW * (place + 1) for place, each in enumerate(percents) if each is not None and each < WELL]
    return max(0.0, max(unwell, default=0.0) - over)
