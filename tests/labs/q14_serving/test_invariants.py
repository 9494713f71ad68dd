"""What holds for every simulated service, and where the simulation must equal a formula."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract.drawing import LABEL_GAP
from labs.q14_serving.curves import fit
from labs.q14_serving.erlang import erlang_wait
from labs.q14_serving.queueing import Closed, Fleet, lengths_of, poisson, simulate
from labs.q14_serving.service import SimulateParams, by_hand, run, summary
from labs.q14_serving.simulate_figures import dollars, full_batches
from tests.labs.one_lab import OneLab

SERVICES = st.builds(
    SimulateParams,
    rate=st.floats(5, 200),
    replicas=st.integers(1, 4),
    lengths=st.sampled_from(["fixed", "uniform", "geometric"]),
    tokens=st.integers(1, 60),
    cap=st.integers(1, 40),
    batching=st.sampled_from(["continuous", "static"]),
    window=st.sampled_from([0.0, 10.0]),
    arrivals=st.sampled_from(["poisson", "bursty", "even"]),
    shed=st.booleans(),
    queue=st.integers(1, 50),
    freeze=st.sampled_from([0.0, 1.0]),
    duration=st.just(10),
    seed=st.integers(0, 99),
)
EXAMPLES = settings(max_examples=12, deadline=None)


@given(SERVICES, st.booleans())
@EXAMPLES
def test_everybody_who_arrived_is_answered_refused_or_dropped(params: SimulateParams, closed: bool) -> None:
    outcome = run(params, closed=closed)
    client = summary(params, outcome)
    assert client["sent"] == client["answered"] + client["rejected"] + client["expired"]
    assert client["sent"] == len(outcome.arrivals) == len(outcome.ends)
    assert client["p50"] <= client["p95"] <= client["p99"] and client["goodput"] <= client["rate"]
    assert client["expired"] == 0 or params.shed
    fastest = (params.line.alpha + params.line.beta) * (1 if params.lengths != "fixed" else params.tokens)
    assert all(latency >= fastest - 1e-6 for latency in outcome.latencies)


@given(SERVICES)
@EXAMPLES
def test_the_same_seed_gives_the_same_run(params: SimulateParams) -> None:
    assert run(params) == run(params)


@given(st.floats(1, 50), st.floats(0, 2), st.lists(st.floats(0.1, 30), min_size=3, max_size=6, unique=True))
@EXAMPLES
def test_a_fit_finds_its_line_and_never_goes_below_zero(alpha: float, beta: float, rows: list[float]) -> None:
    exact = fit(rows, [alpha + beta * each for each in rows])
    assert exact.alpha == pytest.approx(alpha, abs=1e-6) and exact.beta == pytest.approx(beta, abs=1e-6)
    bent = fit(rows, [100 - 3 * each for each in rows])
    assert bent.beta == 0 and bent.alpha > 0
    steep = fit([1, 2, 3], [1.0, 4.0, 9.0])
    assert steep.alpha == 0 and steep.beta > 0


@given(st.floats(10, 500), st.floats(0, 50), st.integers(0, 9))
@EXAMPLES
def test_a_closed_loop_sends_what_its_formula_says(reply: float, pause: float, seed: int) -> None:
    fleet = Fleet(1, alpha=reply, beta=0, cap=1)
    outcome = simulate(fleet, [], [1], Closed(1, pause, 60_000))
    assert len(outcome.arrivals) / outcome.seconds == pytest.approx(1000 / (reply + pause), rel=0.03)


def test_latency_agrees_with_erlang() -> None:
    # A step of 5 ms and geometric lengths of mean 20: nearly exponential service of 100 ms, in 6 slots.
    # Who arrives while a step runs waits for its end, half a step on average.
    arrivals = poisson(40, 600, seed=1)
    fleet = Fleet(1, alpha=5, beta=0, cap=6)
    outcome = simulate(fleet, arrivals, lengths_of("geometric", 20, len(arrivals), seed=2))
    mean = sum(outcome.latencies) / len(outcome.latencies)
    wait = erlang_wait(4.0, 6) * 100 / (6 - 4.0)
    assert mean == pytest.approx(100 + 2.5 + wait, rel=0.03)


def test_little_holds_between_what_is_counted_and_what_is_timed(lab: OneLab) -> None:
    result = lab.result("simulate")
    sampled = result["timeline"]["in_flight"]
    steady = sampled[len(sampled) // 10 : -len(sampled) // 10]
    assert sum(steady) / len(steady) == pytest.approx(result["little"]["product"], rel=0.05)
    assert result["little"]["in_flight"] == pytest.approx(result["little"]["product"], rel=0.03)


def test_hand_and_simulation_count_the_same_gpus(lab: OneLab) -> None:
    result = lab.result("simulate")
    assert result["gpus_needed"] == result["gpus_by_hand"] == 4
    assert list(result["by_replicas"]) == ["2", "3", "4", "5"]
    shown = lab.show("simulate", result)
    assert shown.sentence == {"said": 2.0, "formula": 4, "measured": 4, "unit": "GPUs"}
    assert shown.figures["replicas"].data[0]["x"] == ["2", "3", "4", "5"]


@pytest.mark.parametrize("chosen", [{}, {"replicas": 1, "duration": 10}, {"goal": 1050.0, "duration": 10}])
def test_neither_goal_nor_rule_of_thumb_crosses_a_number(lab: OneLab, chosen: dict[str, Any]) -> None:
    figure = lab.show("simulate", lab.result("simulate", **chosen)).figures["replicas"]
    bars, by_hand, goal = figure.data
    label = LABEL_GAP * figure.layout["yaxis"]["range"][1]
    for height, *lines in zip(bars["y"], by_hand["y"], goal["y"], strict=True):
        middle = {"start": label / 2, "middle": height / 2, "end": height - label / 2}
        assert min(abs(middle[bars["insidetextanchor"]] - line) for line in lines) > label / 2


def test_what_cannot_work_is_said(lab: OneLab) -> None:
    def said(**settings: Any) -> str:
        result = lab.result("simulate", duration=10, **settings)
        return " ".join(lab.show("simulate", result).notes)

    assert "Even an idle server needs 626 ms" in said(tokens=100) and "no number of GPUs" in said(tokens=100)
    assert "the queue grows by 50.2 a second" in said(replicas=1)
    assert "None of the numbers of GPUs" in said(lengths="geometric")


def test_the_ends_of_the_sliders_work(lab: OneLab) -> None:
    for chosen in ({"rate": 1.0, "duration": 10}, {"rate": 2000.0, "duration": 10, "curve": "h200"}):
        result = lab.result("simulate", **chosen)
        assert result["gpus_needed"] is not None and lab.show("simulate", result).rows


def test_an_overloaded_service_gets_worse_the_longer_it_is_watched() -> None:
    params = SimulateParams(replicas=1, duration=10)
    assert by_hand(params)["by_hand"]["wait"] is None
    short, long = (summary(each, run(each))["p95"] for each in (params, replace(params, duration=20)))
    assert long == pytest.approx(2 * short, rel=0.1)


def test_a_freeze_shows_in_the_open_loop_and_hardly_in_the_closed_one() -> None:
    params = SimulateParams(freeze=5.0)
    opened, closed = (summary(params, run(params, closed=closed)) for closed in (False, True))
    assert opened["p95"] > 3000 > 500 > closed["p95"] and closed["sent"] < 200


def test_shedding_keeps_the_rest_in_time() -> None:
    params = SimulateParams(replicas=2, rate=150, duration=20)
    patient, shedding = (summary(each, run(each)) for each in (params, replace(params, shed=True, goal=800)))
    assert shedding["expired"] > 0 == patient["expired"] and shedding["p95"] < patient["p95"]


def test_a_window_delays_a_lone_request_and_a_full_batch_does_not_wait() -> None:
    fleet = Fleet(1, alpha=10, beta=0, cap=2, static=True, window=5)
    assert simulate(fleet, [0], [1]).latencies == [15]
    assert simulate(fleet, [0, 3], [1, 1]).latencies == [13, 10]


def test_prompts_and_refusals_are_part_of_a_trace() -> None:
    fleet = Fleet(1, alpha=10, beta=0, cap=1, prefill=4, queue_limit=1)
    outcome = simulate(fleet, [0, 1, 2], [1, 1, 1])
    assert outcome.fates == ["answered", "answered", "rejected"] and outcome.latencies == [14, 27]


@pytest.mark.parametrize(("begin", "end"), [(0, 15), (5, 20), (8, 23), (12, 23), (13, 23), (21, 31)])
def test_a_freeze_holds_up_what_it_meets(begin: float, end: float) -> None:
    # Ten milliseconds of work; nothing moves from 8 to 13.
    assert Fleet(1, 10, 0, 1, freeze=(8, 13)).ends(begin, 10) == end


def test_a_conclusion_holds_at_the_ends_of_the_sliders(lab: OneLab) -> None:
    """Little's law, the queue, and the price, where more comes than can be answered, or nearly so."""
    full = lab.result("simulate", replicas=1, queue=1, duration=10)
    said = " ".join(lab.show("simulate", full).notes)
    lost = full["open"]["sent"] - full["open"]["answered"]
    assert f"{lost:,} of {full['open']['sent']:,} were refused" in said and "the queue grows" not in said
    assert "does not say so" in said and " = " not in said
    answered = full["rate"] * full["open"]["answered"] / full["open"]["sent"]
    assert 0 < dollars(full) == pytest.approx(2 / 3600 / min(answered, 49.8) / 50 * 1e6, rel=0.01)

    bursts = lab.result("simulate", arrivals="bursty", queue=1, duration=10)
    said = " ".join(lab.show("simulate", bursts).notes)
    assert bursts["open"]["rejected"] and bursts["rate"] < bursts["by_hand"]["capacity"]
    assert "does not say so" in said and "Overloaded" not in said

    crowded = lab.result("simulate", rate=99.0, replicas=2, duration=10)
    said = " ".join(lab.show("simulate", crowded).notes)
    assert "Here the queue takes time too" in said and "not the queue" not in said
    assert "not the queue" in " ".join(lab.show("simulate", lab.result("simulate")).notes)


@pytest.mark.parametrize(("rate", "curve"), [(100.0, "table"), (240.0, "table"), (2000.0, "h200")])
def test_what_is_said_is_as_many_as_the_mean_load_fills(lab: OneLab, rate: float, curve: str) -> None:
    params = SimulateParams(rate=rate, curve=curve)
    said = full_batches(by_hand(params))
    a_gpu = by_hand(params)["by_hand"]["capacity"] / params.replicas
    assert (said - 1) * a_gpu < rate < 1.05 * said * a_gpu
