"""Replicas behind a balancer, one of them slow or dead: traces by hand, shares by formula, nobody lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q14_serving.queueing import Fleet, poisson, simulate
from labs.q14_serving.unsteady import BALANCES, VICTIM, Balance, Misfortune, balanced
from tests.labs.one_lab import OneLab

FLEET = Fleet(3, alpha=5.0, beta=0.5, cap=4)
WELL = Misfortune(0.0, 0.0)
DEAD = Misfortune(2000.0, 5000.0, dead=True, noticed=3000.0)
EVERY = pytest.mark.parametrize("balance", BALANCES)


@given(
    st.sampled_from(list(BALANCES)),
    st.booleans(),
    st.floats(1, 200),
    st.integers(2, 5),
    st.builds(
        Misfortune,
        st.floats(0, 3000),
        st.floats(3100, 6000),
        st.floats(1, 10),
        st.booleans(),
        st.floats(0, 9000),
    ),
)
@settings(max_examples=40, deadline=None)
def test_everybody_is_answered_or_fails_and_only_a_death_fails_anybody(
    balance: Balance, retry: bool, rate: float, replicas: int, change: Misfortune
) -> None:
    fleet, arrivals = Fleet(replicas, 5.0, 0.5, 4), poisson(rate, 6, seed=1) or [0.0]
    run = balanced(fleet, arrivals, [7, 3], balance, change, retry=retry, seed=2)
    outcome = run.outcome
    assert len(run.places) == len(outcome.ends) == len(arrivals)
    assert set(outcome.fates) <= ({"answered", "failed"} if change.dead else {"answered"})
    for at, end, fate in zip(outcome.arrivals, outcome.ends, outcome.fates, strict=True):
        assert end >= at
        if fate == "failed":
            assert change.begin <= end < change.end or end == change.begin
    assert run == balanced(fleet, arrivals, [7, 3], balance, change, retry=retry, seed=2)


def test_without_a_misfortune_the_fewest_outstanding_is_the_simulation_that_the_lab_has_elsewhere() -> None:
    """But for ties, which go in turn here; on one replica there are none."""
    one, arrivals = Fleet(1, 5.0, 0.5, 4), poisson(40, 5, seed=3)
    for balance in BALANCES:
        assert balanced(one, arrivals, [6], balance, WELL).outcome == simulate(one, arrivals, [6])


def test_in_turn_is_in_turn_and_by_chance_is_even_in_the_long_run() -> None:
    arrivals = poisson(50, 60, seed=4)
    turn = balanced(FLEET, arrivals, [1], "round_robin", WELL).places
    assert turn[:5] == [turn[0], *((turn[0] + step) % 3 for step in range(1, 5))]
    for balance in BALANCES:
        places = balanced(FLEET, arrivals, [1], balance, WELL).places
        assert [places.count(place) / len(places) for place in range(3)] == pytest.approx(
            [1 / 3] * 3, abs=0.03
        )


def test_a_slow_step_takes_as_many_times_as_long_and_only_while_it_is_slow() -> None:
    one = Fleet(1, alpha=10, beta=0, cap=1)
    slow = Misfortune(5, 50, slowness=3)
    assert balanced(one, [0, 10, 100], [1], "least", slow).outcome.ends == [10, 40, 110]


def test_a_death_fails_what_was_there_and_what_comes_until_it_is_noticed() -> None:
    """Steps of 10 ms, one row: a request every 4 ms in turn to two replicas; the first dies at 25."""
    fleet = Fleet(2, alpha=10, beta=0, cap=1)
    death = Misfortune(25, 60, dead=True, noticed=45)
    arrivals = [4.0 * place for place in range(18)]
    run = balanced(fleet, arrivals, [1], "round_robin", death)
    first = run.places.index(VICTIM)
    failed = [place for place, fate in enumerate(run.outcome.fates) if fate == "failed"]
    at = {place: arrivals[place] for place in failed}
    assert all(run.places[place] == VICTIM for place in failed) and first not in failed
    assert [time for time in at.values() if 25 <= time < 45] and max(at.values()) < 45
    to_victim = {arrivals[place] for place, where in enumerate(run.places) if where == VICTIM}
    assert not {time for time in to_victim if 45 < time < 60} and max(to_victim) >= 60


@EVERY
def test_sent_on_only_what_the_dead_one_had_is_lost(balance: Balance) -> None:
    arrivals = poisson(150, 8, seed=5)
    alone, retried = (balanced(FLEET, arrivals, [5], balance, DEAD, retry=retry) for retry in (False, True))
    lost = [
        end for end, fate in zip(retried.outcome.ends, retried.outcome.fates, strict=True) if fate == "failed"
    ]
    assert set(lost) <= {DEAD.begin}
    assert alone.outcome.fates.count("failed") > len(lost) + 30


@pytest.mark.parametrize("replicas", [3, 5, 8])
def test_the_shares_by_hand_are_those_of_the_simulation(lab: OneLab, replicas: int) -> None:
    for trouble in ("slow", "dead", "none"):
        result = lab.result("balancing", trouble=trouble, replicas=replicas, lasts=40.0, notice=30.0)
        for balance, share in result["shares"].items():
            if share is not None:
                assert result["balances"][balance]["share"] == pytest.approx(share, rel=0.12), (
                    trouble,
                    balance,
                )


def test_the_fewest_outstanding_saves_what_a_slow_one_costs_and_loses_most_to_a_dead_one(lab: OneLab) -> None:
    slow, dead = (lab.result("balancing", trouble=trouble)["balances"] for trouble in ("slow", "dead"))
    assert slow["least"]["p95"] < 500 < 4000 < slow["round_robin"]["p95"]
    assert slow["round_robin"]["late_until"] > 0 == slow["least"]["late_until"]
    failed = [dead[balance]["failed"] for balance in ("round_robin", "two", "least")]
    assert failed == sorted(failed) and failed[2] > 4 * failed[0]
    assert not any(seen["failed"] for seen in slow.values())


def test_what_is_said_follows_what_happened(lab: OneLab) -> None:
    def said(**settings: Any) -> str:
        return " ".join(lab.show("balancing", lab.result("balancing", **settings)).notes)

    assert "its queue grows" in said() and "does not grow" in said(slowness=2.0)
    assert "takes it for idle" in said(trouble="dead") and "nginx" in said(trouble="dead")
    assert "sent on to another replica" in said(trouble="dead", retry=True)
    at_once = lab.result("balancing", trouble="dead", notice=0.0)
    shown = lab.show("balancing", at_once)
    assert "noticed at once" in shown.notes[0] and shown.sentence is None
    assert said(trouble="none").startswith("Nothing happens")
    shown = lab.show("balancing", lab.result("balancing"))
    assert shown.sentence == {
        "said": 20.0,
        "formula": pytest.approx(5.9, abs=0.05),
        "measured": pytest.approx(6.3, abs=0.1),
        "unit": "% of all requests",
    }
