"""The formulas of waiting against closed forms and against slots that are simulated one request at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from labs.q14_serving.erlang import erlang_wait, mean_wait, variation_of
from labs.q14_serving.queueing import lengths_of
from labs.q14_serving.service import SimulateParams, by_hand, run, summary

REQUESTS = 60_000


def simulated_wait(load: float, servers: int, service: Callable[[random.Random], float]) -> float:
    """Mean wait of Poisson arrivals whose service has mean 1, each at the slot that is free first."""
    source, slots, now, waited = random.Random(1), [0.0] * servers, 0.0, 0.0
    for _ in range(REQUESTS):
        now += source.expovariate(load)
        first = min(range(servers), key=slots.__getitem__)
        waited += max(0.0, slots[first] - now)
        slots[first] = max(slots[first], now) + service(source)
    return waited / REQUESTS


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("variation", [0.0, 0.5, 1.0, 3.0])
def test_one_server_waits_as_pollaczek_says(load: float, variation: float) -> None:
    assert mean_wait(load, 1, 7.0, variation) == pytest.approx(7 * load * (1 + variation) / 2 / (1 - load))


def test_two_servers_wait_as_the_closed_form_of_erlang_says() -> None:
    for load in (0.2, 1.0, 1.9):
        assert erlang_wait(load, 2) == pytest.approx(load**2 / (2 + load))
        assert mean_wait(load, 2, 1.0) == pytest.approx(load**2 / (4 - load**2))


@pytest.mark.parametrize(
    ("variation", "service"),
    [
        (0.0, lambda source: 1.0),
        (1 / 3, lambda source: source.uniform(0, 2)),
        (1.0, lambda source: source.expovariate(1)),
    ],
    ids=["fixed", "uniform", "exponential"],
)
def test_several_servers_wait_as_a_simulation_does(
    variation: float, service: Callable[[random.Random], float]
) -> None:
    assert simulated_wait(2.8, 4, service) == pytest.approx(mean_wait(2.8, 4, 1.0, variation), rel=0.1)


@pytest.mark.parametrize("kind", ["fixed", "uniform", "geometric"])
def test_lengths_vary_as_is_said(kind: str) -> None:
    lengths = lengths_of(kind, 50, 40_000, seed=0)
    mean = sum(lengths) / len(lengths)
    variance = sum((length - mean) ** 2 for length in lengths) / len(lengths)
    assert variance / mean**2 == pytest.approx(variation_of(kind, 50), abs=0.02)


@pytest.mark.parametrize(("prefill", "replicas"), [(0.0, 4), (3.0, 4), (6.0, 5)])
def test_prompts_are_counted_by_hand_as_in_the_simulation(prefill: float, replicas: int) -> None:
    """Without its share of prompts the hand would be a sixth too low at the last one."""
    params = SimulateParams(prefill=prefill, replicas=replicas, duration=60)
    hand, seen = by_hand(params)["by_hand"], summary(params, run(params))
    assert hand["latency"] == pytest.approx(seen["mean"], rel=0.03)
    assert hand["tail"] == pytest.approx(seen["p95"], rel=0.06)


def test_full_batches_answer_by_hand_what_the_simulation_answers() -> None:
    params = SimulateParams(rate=400, replicas=2, prefill=6.0, duration=30, queue=2000)
    outcome = run(params)
    assert len(outcome.latencies) / outcome.seconds == pytest.approx(
        by_hand(params)["by_hand"]["capacity"], rel=0.03
    )
