"""The simulated replicas of Question 14 against traces worked out by hand, and against Erlang's formula."""

from __future__ import annotations

import random

import pytest

from labs.q14_serving.erlang import erlang_wait
from labs.q14_serving.queueing import Fleet, lengths_of, percentile, poisson, simulate


def test_rows_join_and_leave_at_steps() -> None:
    # 0 runs alone for its first step (12 ms); 1 joins at 12 and both take 14 ms a step; 0 is done at 26.
    fleet = Fleet(replicas=1, alpha=10, beta=2, cap=2)
    outcome = simulate(fleet, [0, 5, 6], [2, 3, 1])
    assert outcome.latencies == [26, 12 + 14 + 14 + 12 - 5, 26 + 14 - 6]


def test_a_static_batch_waits_for_its_slowest_row() -> None:
    fleet = Fleet(replicas=1, alpha=10, beta=0, cap=2, static=True)
    assert simulate(fleet, [0, 1, 2], [1, 1, 4]).latencies == [10, 49, 48]


def test_requests_go_to_the_emptiest_replica() -> None:
    assert simulate(Fleet(2, 10, 0, 1), [0, 1, 2], [1, 1, 1]).latencies == [10, 10, 18]


def test_everything_is_answered_and_little_holds() -> None:
    arrivals = poisson(40, 60, seed=3)
    outcome = simulate(Fleet(2, 6, 0.2, 8), arrivals, lengths_of("geometric", 20, len(arrivals), seed=4))
    assert len(outcome.latencies) == len(arrivals) and min(outcome.latencies) >= 6
    rate = len(arrivals) / (arrivals[-1] / 1000)
    mean = sum(outcome.latencies) / len(arrivals) / 1000
    assert outcome.mean_in_flight == pytest.approx(rate * mean, rel=0.02)


def test_erlang_agrees_with_a_simulation_of_slots() -> None:
    source, slots, now, waited, count = random.Random(0), [0.0] * 4, 0.0, 0, 60_000
    for _ in range(count):
        now += source.expovariate(3)
        free = min(range(4), key=slots.__getitem__)
        waited += slots[free] > now
        slots[free] = max(slots[free], now) + source.expovariate(1)
    assert waited / count == pytest.approx(erlang_wait(3, 4), rel=0.05)


@pytest.mark.parametrize("kind", ["fixed", "uniform", "geometric"])
def test_lengths_have_the_mean_asked_for(kind: str) -> None:
    lengths = lengths_of(kind, 50, 20_000, seed=0)
    assert min(lengths) >= 1 and sum(lengths) / len(lengths) == pytest.approx(50, rel=0.02)


def test_percentiles_are_measured_values() -> None:
    assert [percentile([3, 1, 2, 4], percent) for percent in (0, 50, 75, 100)] == [1, 2, 3, 4]
