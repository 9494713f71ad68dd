"""The scheduler as a state machine: random callers, workers that finish, hang and die, and a moving clock."""

from __future__ import annotations

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from labs.runner.schedule import (
    ANSWER_SECONDS,
    SILENCE_SECONDS,
    STOP_SECONDS,
    Action,
    Kill,
    Scheduler,
    Start,
    Stop,
)
from tests.labs.runner.conftest import LIMIT

LANES = ("own", "cpu")


class Runner(RuleBasedStateMachine):
    """Plays the supervisor and both workers, and keeps its own simple books."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler()
        self.now = 0.0
        self.job = 0
        self.waiting: dict[int, tuple[str, str]] = {}  # job -> (lane, key)
        self.running: dict[str, int] = {}  # lane -> run sent to its worker
        self.run_jobs: dict[int, set[int]] = {}
        self.stop_at: dict[int, float] = {}
        self.killed: set[int] = set()
        self.sent_at: dict[int, float] = {}
        self.begun: set[int] = set()
        self.unanswered: set[int] = set()
        self.ready: set[str] = set()
        self.lane_names: tuple[str, ...] = ()

    @initialize(one_device=st.booleans())
    def lanes(self, one_device: bool) -> None:
        for lane in LANES:
            self.scheduler.add_lane(lane, LIMIT)
        self.job += 1
        self.scheduler.submit(self.job, "early", "cpu", 1.0, self.now)
        self.run_jobs[1] = {self.job}
        if one_device:
            self.scheduler.merge("cpu", "own")
        self.lane_names = ("own",) if one_device else LANES
        self.waiting[self.job] = (self.lane_names[-1], "early")
        self.everyone_gets_ready()

    @rule(lane=st.sampled_from(LANES), key=st.sampled_from("abcd"), estimate=st.floats(0.1, 100))
    def submit(self, lane: str, key: str, estimate: float) -> None:
        self.job += 1
        lane = self.scheduler.lane_of(lane)
        run, new = self.scheduler.submit(self.job, key, lane, estimate, self.now)
        assert new == (run not in self.run_jobs)
        if not new:
            other = next(iter(self.run_jobs[run]))
            assert self.waiting[other] == (lane, key) and run not in self.stop_at
        self.run_jobs.setdefault(run, set()).add(self.job)
        self.waiting[self.job] = (lane, key)

    @rule(which=st.integers(0, 5))
    def leave(self, which: int) -> None:
        if which < len(self.waiting):
            job = sorted(self.waiting)[which]
            self.scheduler.leave(job)
            self.scheduler.leave(job)
            self.forget([job])

    @rule(seconds=st.floats(0.05, 90))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.decide()

    @rule()
    def everyone_gets_ready(self) -> None:
        for lane in set(self.lane_names) - self.ready:
            self.ready.add(lane)
            self.scheduler.lane_ready(lane)
        self.decide()

    @rule(lane=st.sampled_from(LANES))
    def worker_begins(self, lane: str) -> None:
        if lane in self.running:
            self.scheduler.started(self.running[lane], self.now)
            self.begun.add(self.running[lane])

    @rule(lane=st.sampled_from(LANES))
    def worker_finishes(self, lane: str) -> None:
        if lane not in self.running:
            return
        run = self.running.pop(lane)
        ended = self.scheduler.finished(run)
        assert set(ended) == self.run_jobs[run]
        self.forget(ended)
        self.decide()

    @rule(lane=st.sampled_from(LANES), never_seen=st.booleans())
    def worker_dies(self, lane: str, never_seen: bool) -> None:
        if lane in self.ready and (never_seen or self.running.get(lane) in self.killed):
            self.lose(lane)
            self.decide()

    def decide(self) -> None:
        for action in self.scheduler.decide(self.now):
            self.obey(action)
        assert self.scheduler.decide(self.now) == [], "asking twice must not repeat an action"

    def obey(self, action: Action) -> None:
        event(f"{type(action).__name__} {getattr(action, 'reason', '')}")
        if isinstance(action, Start):
            assert action.lane in self.ready and action.lane not in self.running
            assert self.run_jobs[action.run], "nobody waits for this run"
            self.running[action.lane] = action.run
            self.sent_at[action.run] = self.now
        elif isinstance(action, Stop):
            assert self.running[action.lane] == action.run and action.run not in self.stop_at
            if action.reason != "left":
                assert set(action.members) == self.run_jobs[action.run] != set()
                assert action.reason in ("silence", "unanswered") or self.queued(action.lane), (
                    "nobody waits behind it"
                )
                self.forget(action.members)
            assert not self.run_jobs[action.run]
            self.stop_at[action.run] = self.now + STOP_SECONDS
        else:
            assert isinstance(action, Kill) and action.run not in self.killed
            if action.run in self.stop_at:
                assert self.now >= self.stop_at[action.run]
            else:
                assert action.run not in self.begun and action.run not in self.unanswered, "once, and early"
                assert self.now > self.sent_at[action.run] + ANSWER_SECONDS
                self.unanswered.add(action.run)
            self.killed.add(action.run)

    def lose(self, lane: str) -> None:
        ended = self.scheduler.lane_lost(lane)
        run = self.running.pop(lane, None)
        assert run is not None or not ended
        assert set(ended) <= self.run_jobs.get(run or 0, set())
        self.ready.discard(lane)
        self.killed.discard(run or 0)
        self.forget(ended)

    def forget(self, jobs: object) -> None:
        for job in list(jobs):  # type: ignore[call-overload]
            del self.waiting[job]
            for members in self.run_jobs.values():
                members.discard(job)

    def queued(self, lane: str) -> list[int]:
        current = self.run_jobs.get(self.running.get(lane, 0), set())
        return [job for job, (where, _) in self.waiting.items() if where == lane and job not in current]

    @invariant()
    def every_waiting_job_is_known_and_no_other(self) -> None:
        assert set(self.scheduler.jobs) == set(self.waiting)

    @invariant()
    def positions_count_runs_from_one(self) -> None:
        for lane in self.lane_names:
            places = {job: self.scheduler.place(job, self.now) for job in self.queued(lane)}
            assert {place.position for place in places.values()} == set(
                range(1, len({self.waiting[job][1] for job in places}) + 1)
            ) or self.has_twins(lane)
            assert all(place.wait_seconds >= 0 for place in places.values())

    def has_twins(self, lane: str) -> bool:
        """Equal keys may wait in two runs after a merge of lanes or beside a run that came back."""
        runs = [run for run, members in self.run_jobs.items() if members & set(self.queued(lane))]
        keys = [self.waiting[min(self.run_jobs[run])][1] for run in runs]
        return len(keys) != len(set(keys))

    def teardown(self) -> None:
        """Everything that waits gets done once the workers behave: nothing starves or is forgotten."""
        for _ in range(4 * self.job + 8):
            self.now += STOP_SECONDS
            self.decide()
            for lane, run in list(self.running.items()):
                if run in self.killed:
                    self.lose(lane)
                    continue
                self.scheduler.started(run, self.now)
                self.forget(self.scheduler.finished(run))
                del self.running[lane]
            self.everyone_gets_ready()
        assert not self.waiting and not self.scheduler.jobs


TestRunner = Runner.TestCase
TestRunner.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)


def drain(scheduler: Scheduler, now: float) -> list[int]:
    """Jobs in the order in which they run."""
    order: list[int] = []
    while actions := scheduler.decide(now):
        assert isinstance(actions[0], Start)
        order += scheduler.finished(actions[0].run)
    return order


def test_shortest_first(scheduler: Scheduler) -> None:
    for job, estimate in enumerate([30.0, 5.0, 10.0]):
        scheduler.submit(job, str(job), "own", estimate, now=0.0)
    assert drain(scheduler, 0.0) == [1, 2, 0]


def test_ageing_bounds_how_often_a_long_run_is_overtaken(scheduler: Scheduler) -> None:
    scheduler.submit(0, "long", "own", 60.0, now=0.0)
    for second in range(0, 200, 10):
        scheduler.submit(second + 1, f"short {second}", "own", 1.0, now=float(second))
    assert drain(scheduler, 200.0).index(0) == 6, "only those of the first 59 s may overtake"


def test_a_long_run_goes_on_while_nobody_waits(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 5.0, now=0.0)
    run = scheduler.decide(0.0)[0].run
    scheduler.started(run, 0.0)
    scheduler.alive(run, 999.0)
    assert scheduler.decide(1000.0) == []
    scheduler.submit(2, "b", "own", 5.0, now=1000.0)
    assert scheduler.decide(1000.0) == [Stop("own", run, "limit", (1,))]
    assert scheduler.decide(1000.0 + STOP_SECONDS) == [Kill("own", run)]
    assert scheduler.lane_lost("own") == []
    scheduler.lane_ready("own")
    assert isinstance(scheduler.decide(1003.0)[0], Start)


def test_a_silent_run_is_stopped_though_nobody_waits(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 5.0, now=0.0)
    run = scheduler.decide(0.0)[0].run
    scheduler.started(run, 0.0)
    assert scheduler.decide(SILENCE_SECONDS) == []
    assert scheduler.decide(SILENCE_SECONDS + 1) == [Stop("own", run, "silence", (1,))]


def test_the_limit_runs_from_sending_and_anew_from_the_start(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 5.0, now=0.0)
    run = scheduler.decide(0.0)[0].run
    scheduler.alive(run, LIMIT)  # it says that it waits for the device, which another program holds
    scheduler.submit(2, "b", "own", 5.0, now=0.0)
    assert scheduler.decide(LIMIT) == []
    scheduler.started(run, LIMIT)
    scheduler.alive(run, 2 * LIMIT)
    assert scheduler.decide(2 * LIMIT) == []
    assert scheduler.decide(2 * LIMIT + 1) == [Stop("own", run, "limit", (1,))]


def test_who_waits_for_the_device_does_not_hold_up_others_for_ever(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 5.0, now=0.0)
    run = scheduler.decide(0.0)[0].run
    scheduler.alive(run, 10 * LIMIT)
    assert scheduler.decide(10 * LIMIT) == [], "nobody else waits"
    scheduler.submit(2, "b", "own", 5.0, now=0.0)
    assert scheduler.decide(10 * LIMIT) == [Stop("own", run, "busy", (1,))]


def test_a_worker_that_does_not_answer_is_killed_and_the_run_begins_again_once(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 5.0, now=0.0)
    run = scheduler.decide(0.0)[0].run
    assert scheduler.decide(ANSWER_SECONDS) == []
    assert scheduler.decide(ANSWER_SECONDS + 1) == [Kill("own", run)]
    assert scheduler.decide(1e6) == []
    assert scheduler.lane_lost("own") == []
    scheduler.lane_ready("own")
    now = 2 * ANSWER_SECONDS
    assert scheduler.decide(now) == [Start("own", run)]
    assert scheduler.decide(now + ANSWER_SECONDS + 1) == [Stop("own", run, "unanswered", (1,))]


def test_an_equal_job_does_not_join_a_run_that_is_being_stopped(scheduler: Scheduler) -> None:
    first, _ = scheduler.submit(1, "a", "own", 5.0, now=0.0)
    scheduler.decide(0.0)
    scheduler.leave(1)
    second, new = scheduler.submit(2, "a", "own", 5.0, now=0.0)
    assert new and second != first
    assert scheduler.decide(0.0) == [Stop("own", first, "left")]


def test_a_run_lost_before_it_began_comes_back_once(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 5.0, now=0.0)
    run = scheduler.decide(0.0)[0].run
    assert scheduler.lane_lost("own") == []
    scheduler.lane_ready("own")
    assert scheduler.decide(1.0) == [Start("own", run)]
    assert scheduler.lane_lost("own") == [1]


def test_wait_is_the_rest_of_the_current_run_and_those_before(scheduler: Scheduler) -> None:
    scheduler.submit(1, "a", "own", 10.0, now=0.0)
    scheduler.started(scheduler.decide(0.0)[0].run, 0.0)
    scheduler.submit(2, "b", "own", 3.0, now=4.0)
    scheduler.submit(3, "c", "own", 5.0, now=4.0)
    assert (scheduler.place(2, 4.0).wait_seconds, scheduler.place(3, 4.0).wait_seconds) == (6.0, 9.0)
    assert [scheduler.place(job, 4.0).position for job in (1, 2, 3)] == [0, 1, 2]


def test_a_lane_that_is_given_up_names_everyone_who_waits(scheduler: Scheduler) -> None:
    for job in (1, 2, 3):
        scheduler.submit(job, "ab"[job % 2], "own", 5.0, now=0.0)
    scheduler.lane_lost("own")
    assert sorted(scheduler.give_up("own")) == [1, 2, 3]
    scheduler.lane_ready("own")
    assert scheduler.jobs == [] and scheduler.decide(0.0) == []
