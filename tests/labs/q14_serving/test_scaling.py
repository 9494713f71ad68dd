"""Replicas that come and go: against Erlang and Ciw, traces made by hand, and what each mistake costs."""

from __future__ import annotations

import random
from typing import Any

import ciw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q14_serving.erlang import erlang_wait
from labs.q14_serving.queueing import poisson
from labs.q14_serving.scaling import Scaled, Service, Sight, Target, Thresholds, changing_arrivals
from tests.labs.one_lab import OneLab


def fixed(
    replicas: int, slots: int, arrivals: list[float], services: list[float], end: float = 1.0
) -> Scaled:
    service = Service(
        lambda sight: replicas, slots=slots, cold_start=1.0, bounds=(replicas, replicas), every=1.0
    )
    return service.run(arrivals, services, end)


def test_with_a_fixed_number_it_is_the_queue_of_erlang_and_of_ciw() -> None:
    rate, mean, servers, count = 8.0, 0.5, 6, 60_000
    source = random.Random(1)
    arrivals = [time / 1000 for time in poisson(rate, count / rate, seed=2)]
    services = [source.expovariate(1 / mean) for _ in arrivals]
    waited = [t - s for t, s in zip(fixed(2, 3, arrivals, services).latencies, services, strict=True)]
    load = rate * mean
    formula = erlang_wait(load, servers) * mean / (servers - load)
    assert sum(waited) / len(waited) == pytest.approx(formula, rel=0.1)

    gaps = [after - before for before, after in zip([0.0, *arrivals], arrivals, strict=False)]
    some = 300
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps[:some], float("inf")])],
        service_distributions=[ciw.dists.Sequential(services[:some])],
        number_of_servers=[servers],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(arrivals[some] + 100)
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    assert [record.waiting_time for record in records] == pytest.approx(waited[:some], abs=1e-6)


def test_a_replica_helps_once_it_has_started_and_is_paid_from_its_order() -> None:
    wanted = iter([2, 2, 1, 1])
    service = Service(lambda sight: next(wanted), slots=1, cold_start=1.5, bounds=(1, 2), every=1.0)
    result = service.run([0.0, 0.0, 0.0], [2.6, 0.2, 0.2], 4.0)
    assert result.latencies == pytest.approx([2.6, 2.7, 2.8])  # the second replica is ready at 2.5
    assert (result.ready, result.present) == ([1, 1, 2, 1], [1 + 1, 2, 1, 1])
    assert result.orders == 2 and result.replica_seconds == pytest.approx(4.0 + 2.0)


def test_who_leaves_ends_its_requests_first() -> None:
    wanted = iter([1, 1, 1])
    service = Service(lambda sight: next(wanted), slots=1, cold_start=0.0, bounds=(1, 2), every=1.0)
    service.replicas.append(type(service.replicas[0])(0.0, ready=True))
    result = service.run([0.0, 0.1], [1.8, 2.4], 3.0)
    assert result.latencies == pytest.approx([1.8, 2.4]) and result.present == [2, 2, 1]


@given(st.integers(0, 99), st.floats(5, 60), st.floats(0, 20), st.floats(0, 60), st.booleans())
@settings(max_examples=10, deadline=None)
def test_everybody_is_answered_and_the_bounds_hold(
    seed: int, rate: float, cold_start: float, hold: float, impatient: bool
) -> None:
    arrivals = changing_arrivals(lambda now: rate if now < 20 else 1.0, rate, 40.0, seed)
    policy = Target(2, 0.7, hold, impatient)
    service = Service(policy, slots=2, cold_start=cold_start, bounds=(2, 9), every=2.0)
    result = service.run(arrivals, [0.3] * len(arrivals), 40.0)
    assert all(latency >= 0.3 - 1e-9 for latency in result.latencies)
    assert not service.queue and not service.running
    assert max(result.ready) <= 9 and min(result.ready) >= 2


def sight(**more: Any) -> Sight:
    return Sight(
        **{"now": 0.0, "running": 0, "waiting": 0, "ready": 2, "starting": 0, "latency": 0.3, **more}
    )


def test_a_target_goes_up_at_once_and_down_after_it_held() -> None:
    policy = Target(8, 0.5, hold=30.0)
    assert policy(sight(running=16, waiting=4)) == 5
    assert policy(sight(now=10.0, running=4, ready=5)) == 5
    assert policy(sight(now=31.0, running=4, ready=5)) == 1


def test_who_does_not_count_what_starts_orders_it_again() -> None:
    asked = {"running": 16, "waiting": 4, "ready": 2, "starting": 3}
    assert Target(8, 0.5, 0.0)(sight(**asked)) == 5
    assert Target(8, 0.5, 0.0, impatient=True)(sight(**asked)) == 8


def test_thresholds_on_latency_never_go_down_below_the_time_of_a_request() -> None:
    policy = Thresholds(0.4, 100, 0.2, 20)
    assert policy(sight(latency=0.5)) == 3 and policy(sight(waiting=101)) == 3
    assert policy(sight(latency=0.3)) == 2  # idle, and a request takes 300 ms: it stays for ever
    assert policy(sight(latency=0.1)) == 1


def test_thinned_arrivals_follow_their_rate() -> None:
    times = changing_arrivals(lambda now: 100.0 if now >= 50 else 20.0, 100.0, 100.0, seed=3)
    early = sum(time < 50 for time in times)
    assert early == pytest.approx(1000, abs=5 * 1000**0.5)
    assert len(times) - early == pytest.approx(5000, abs=5 * 5000**0.5)


def test_the_flapping_and_the_common_rule_cost_what_the_page_says(lab: OneLab) -> None:
    ways = lab.result("autoscaler")["ways"]
    assert ways["hasty"]["orders"] > 2 * ways["chosen"]["orders"]
    assert ways["said"]["ready"][-1] > ways["chosen"]["ready"][-1]
    assert ways["chosen"]["in_time_percent"] >= ways["hasty"]["in_time_percent"]


def test_flapping_is_only_said_of_what_flaps_and_a_goal_that_nobody_keeps_is_named(lab: OneLab) -> None:
    def said(**settings: Any) -> str:
        return " ".join(lab.show("autoscaler", lab.result("autoscaler", **settings)).notes)

    assert "That is flapping" in said()
    calm = said(service_ms=50.0, peak=10.0)
    assert "nothing flaps" in calm and "That is flapping" not in calm and "0 starts and stops" in calm
    assert "A request alone takes 600 ms" in said(service_ms=600.0, peak=10.0)


def test_thresholds_of_the_settings_are_those_that_scale_and_what_is_said_follows(lab: OneLab) -> None:
    usual = lab.result("autoscaler")
    lower = lab.result("autoscaler", down_latency=400.0, down_waiting=50)
    assert lower["ways"]["said"]["ready"][-1] < usual["ways"]["said"]["ready"][-1]
    assert lower["ways"]["chosen"] == usual["ways"]["chosen"]
    said = [" ".join(lab.show("autoscaler", each).notes) for each in (usual, lower)]
    assert "never take one away" in said[0] and "take some away again" in said[1]
    calm: dict[str, Any] = {"peak": 40.0, "down_latency": 0.0}
    never, always = (
        lab.result("autoscaler", **calm, up_latency=latency)["ways"]["said"]["ready"]
        for latency in (400.0, 200.0)
    )
    assert set(never) == {2} and max(always) == 10
