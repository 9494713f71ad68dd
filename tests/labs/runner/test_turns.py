"""Sessions are served in turn, and the lanes of a pool take their runs from one queue."""

from __future__ import annotations

from labs.runner.schedule import Kill, Scheduler, Start, Stop
from tests.labs.runner.conftest import LIMIT


def add_second_lane(scheduler: Scheduler) -> None:
    scheduler.add_lane("own 2", LIMIT, beside="own")
    scheduler.lane_ready("own 2")


def submit(scheduler: Scheduler, sessions: str, estimate: float = 1.0) -> None:
    """One job for each letter: its session. They are numbered from 0, and none is equal to another."""
    for job, session in enumerate(sessions):
        scheduler.submit(job, str(job), "own", estimate, 0.0, session)


def drain(scheduler: Scheduler, sessions: str) -> str:
    """The sessions in the order in which they are served, one run after the other."""
    order = ""
    while actions := scheduler.decide(100.0):
        assert isinstance(actions[0], Start)
        (job,) = scheduler.finished(actions[0].run)
        order += sessions[job]
    return order


def test_who_asks_for_many_holds_up_nobody_who_asks_for_one(scheduler: Scheduler) -> None:
    sessions = "aaaaabacb"
    submit(scheduler, sessions)
    assert drain(scheduler, sessions) == "abcabaaaa"


def test_what_a_session_measures_already_counts(scheduler: Scheduler) -> None:
    submit(scheduler, "a")
    assert scheduler.decide(0.0)
    scheduler.submit(1, "1", "own", 1.0, 0.0, "a")
    scheduler.submit(2, "2", "own", 1.5, 0.0, "b")
    assert [scheduler.place(job, 0.0).position for job in (1, 2)] == [2, 1]


def test_within_a_session_the_shortest_comes_first(scheduler: Scheduler) -> None:
    for job, estimate in enumerate([30.0, 5.0, 10.0]):
        scheduler.submit(job, str(job), "own", estimate, 0.0, "a")
    assert [scheduler.place(job, 0.0).position for job in range(3)] == [3, 1, 2]


def test_who_joins_a_run_that_waits_for_its_turn_brings_it_forward(scheduler: Scheduler) -> None:
    submit(scheduler, "aaab")
    assert scheduler.submit(4, "2", "own", 1.0, 0.0, "c") == (3, False)
    assert [scheduler.place(job, 0.0).position for job in range(5)] == [1, 4, 2, 3, 2]


def test_each_lane_of_a_pool_takes_the_next_run_of_one_queue(scheduler: Scheduler) -> None:
    add_second_lane(scheduler)
    submit(scheduler, "abc", estimate=10.0)
    first, second = scheduler.decide(0.0)
    assert (first.lane, second.lane) == ("own", "own 2") and first.run != second.run
    assert scheduler.decide(0.0) == []
    for run in (first.run, second.run):
        scheduler.started(run, 0.0)
    assert scheduler.place(2, 4.0).position == 1
    assert scheduler.place(2, 4.0).wait_seconds == 6.0, "until the first of the two is free"
    scheduler.finished(second.run)
    (third,) = scheduler.decide(5.0)
    assert isinstance(third, Start) and third.lane == "own 2"


def test_an_equal_job_joins_a_run_on_whichever_lane(scheduler: Scheduler) -> None:
    add_second_lane(scheduler)
    submit(scheduler, "ab")
    _, second = scheduler.decide(0.0)
    assert scheduler.submit(9, "1", "own", 1.0, 0.0, "c") == (second.run, False)
    assert sorted(scheduler.finished(second.run)) == [1, 9]


def test_a_run_of_a_lost_lane_is_begun_on_another(scheduler: Scheduler) -> None:
    add_second_lane(scheduler)
    submit(scheduler, "a")
    (start,) = scheduler.decide(0.0)
    assert scheduler.lane_lost(start.lane) == []
    assert scheduler.decide(0.0) == [Start("own 2", start.run)]


def test_a_run_beyond_the_limit_ends_on_its_own_lane_while_others_wait(scheduler: Scheduler) -> None:
    add_second_lane(scheduler)
    submit(scheduler, "ab")
    long, short = scheduler.decide(0.0)
    scheduler.started(long.run, 0.0)
    scheduler.alive(long.run, LIMIT)
    scheduler.started(short.run, LIMIT)
    assert scheduler.decide(LIMIT + 1) == [], "nobody waits"
    scheduler.submit(9, "9", "own", 1.0, LIMIT)
    assert scheduler.decide(LIMIT + 1) == [Stop("own", long.run, "limit", (0,))]
    assert scheduler.decide(LIMIT + 9) == [Kill("own", long.run)]
