"""The machines of the problem's table as a simulated service, decode steps only: what claims are made of."""

from __future__ import annotations

from labs.q14_serving.curves import given, table_line
from labs.q14_serving.queueing import Fleet, Outcome, lengths_of, percentile, poisson, simulate

SIMULATED_SECONDS, SEED = 200, 0


def table_curve() -> tuple[float, float]:
    """Milliseconds of a step, alpha + beta * batch, by least squares on the table."""
    line = table_line()
    return line.alpha, line.beta


def served(
    replicas: int,
    *,
    rate: float | None = None,
    lengths: str = "fixed",
    static: bool = False,
    seconds: float = SIMULATED_SECONDS,
    seed: int = SEED,
) -> Outcome:
    """A simulated run of the table's machines, decode steps only."""
    arrivals = poisson(rate or given("rate"), seconds, seed)
    fleet = Fleet(replicas, *table_curve(), cap=int(given("cap")), static=static)
    return simulate(fleet, arrivals, lengths_of(lengths, int(given("tokens")), len(arrivals), seed + 1))


def p95(outcome: Outcome) -> float:
    """In milliseconds."""
    return percentile(outcome.latencies, 95)
