"""Urgent beside normal requests: nobody is lost, and nobody is passed by more than the rule allows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q14_serving.turns import RULES, Coming, Rule, admissions, most_overtaken, overtakings
from tests.labs.one_lab import OneLab

STREAMS = st.lists(
    st.tuples(st.floats(0, 3), st.integers(1, 9), st.sampled_from([0, 1, 3])), min_size=1, max_size=80
)


def coming_of(stream: list[tuple[float, int, int]]) -> list[Coming]:
    """Requests a gap apart."""
    now, coming = 0.0, list[Coming]()
    for gap, steps, priority in stream:
        now += gap
        coming.append(Coming(now, steps, priority))
    return coming


def admitted(coming: list[Coming], rule: Rule, slots: int = 2) -> list[int]:
    return admissions(coming, slots, rule, lambda _share: None)


@given(STREAMS, st.sampled_from(RULES), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_everybody_gets_a_slot_and_no_slot_is_given_twice(
    stream: list[tuple[float, int, int]], rule: Rule, slots: int
) -> None:
    coming = coming_of(stream)
    starts = admitted(coming, rule, slots)
    assert all(start >= one.arrival for start, one in zip(starts, coming, strict=True))
    for step in range(max(starts) + 1):
        running = sum(start <= step < start + one.steps for start, one in zip(starts, coming, strict=True))
        waiting = sum(one.arrival <= step < start for start, one in zip(starts, coming, strict=True))
        assert running <= slots and (not waiting or running == slots), (step, running, waiting)


@given(STREAMS)
@settings(max_examples=60, deadline=None)
def test_no_normal_request_is_passed_by_more_than_the_bound(stream: list[tuple[float, int, int]]) -> None:
    coming = coming_of(stream)
    passed = overtakings(admitted(coming, "head_start"))
    for one, count in zip(coming, passed, strict=True):
        assert count <= most_overtaken(3 - one.priority)
    assert max(overtakings(admitted(coming, "arrival"))) == 0


def test_the_bound_is_reached_and_two_queues_know_none() -> None:
    coming = [Coming(0, 5, 1), Coming(0, 5, 0), *(Coming(0.5, 5, 1) for _ in range(60))]
    assert overtakings(admitted(coming, "head_start", slots=1))[1] == most_overtaken(1)
    assert overtakings(admitted(coming, "two_queues", slots=1))[1] == 60


def test_two_queues_starve_what_the_engine_serves(lab: OneLab) -> None:
    result = lab.result("priorities")
    strict, ours = result["rules"]["two_queues"], result["rules"]["head_start"]
    assert strict["stranded"] > 0 == ours["stranded"]
    assert strict["overtaken"] > result["bound"] == 31 >= ours["overtaken"]
    assert ours["longest"] < strict["longest"] and strict["p95"]["urgent"] < ours["p95"]["urgent"]
    shown = lab.show("priorities", result)
    assert "no more than 31 later requests" in " ".join(shown.notes)
    assert "That is starvation" in " ".join(shown.notes)
    assert len(shown.figures["waits"].data) == len(shown.rows) == 3


def test_without_too_many_urgent_ones_nobody_starves(lab: OneLab) -> None:
    result = lab.result("priorities", requests=200, load=80.0, urgent=50.0)
    assert result["rules"]["two_queues"]["stranded"] == 0
    assert "That is starvation" not in " ".join(lab.show("priorities", result).notes)
