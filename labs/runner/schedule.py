"""Who runs next, who has to stop, who is lost: the runner's decisions, without threads, clock or IO.

A *job* is one caller's request, a *run* is one measurement that equal jobs share, a *lane* is one worker.
Lanes of one *pool* share a queue. The owner reports what happened (`submit`, `leave`, `lane_ready`,
`started`, `finished`, `lane_lost`), asks `decide(now)` what to do, and does it. Knows no process.

Order: shortest first with ageing, sessions in turn. Runs are sorted by submission time + estimate + the
estimates of what their session has before them. A run is overtaken only by those that come within that sum:
nothing starves, and who asks for fifty runs holds up nobody who asks for one.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

STOP_SECONDS = 2.0
"""How long a run may take to stop before its worker is killed."""
SILENCE_SECONDS = 300.0
"""A run that gives no sign of life for this long hangs, whether or not another job waits behind it."""
ANSWER_SECONDS = 30.0
"""A worker that is silent for this long after it was sent a run hangs: one that is idle answers at once."""
StopReason = Literal["left", "limit", "busy", "silence", "unanswered"]


@dataclass(frozen=True)
class Start:
    """Send this run to its lane's worker."""

    lane: str
    run: int


@dataclass(frozen=True)
class Stop:
    """Ask the worker to stop this run, and end the jobs `members` with the reason.

    "left": nobody waits for it, so there are none. "limit": it measured too long while others waited; "busy":
    it waited too long for a device that another program holds. "silence": it gave no sign of life;
    "unanswered": nor did its worker when it was sent.
    """

    lane: str
    run: int
    reason: StopReason
    members: tuple[int, ...] = ()


@dataclass(frozen=True)
class Kill:
    """The worker did not stop or did not answer in time: kill it. `lane_lost` must follow."""

    lane: str
    run: int


Action = Start | Stop | Kill


@dataclass(frozen=True)
class Place:
    """Where a job stands: `position` 1 is next, 0 is not queued; `wait_seconds` is until its start."""

    position: int
    wait_seconds: float


@dataclass
class _Run:
    id: int
    key: str
    lane: str
    estimate: float
    due: float
    """When it would end, had it begun when it was submitted."""
    order: float
    members: dict[int, str] = field(default_factory=dict)
    """The jobs that share it, each with the session that it belongs to."""
    since: float = 0.0
    """When it was sent to its worker; once it measures, when it began to."""
    started: bool = False
    last_sign_at: float = 0.0
    kill_at: float | None = None
    """When the worker is to be killed, once the run was asked to stop; infinite after the Kill."""
    returned: bool = False


@dataclass
class _Lane:
    limit: float
    queue: list[_Run]
    """One list for all lanes of a pool."""
    ready: bool = False
    current: _Run | None = None


class Scheduler:
    """The queues of all lanes. All times are seconds on one clock that the owner reads."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._merged: dict[str, str] = {}
        self._run_of: dict[int, _Run] = {}
        self._last_run = 0

    def add_lane(self, lane: str, limit: float, beside: str = "") -> None:
        """Add a lane, without a worker, to the pool of the lane `beside` or to one of its own.

        A run may exceed `limit` seconds only while no other is queued.
        """
        self._lanes[lane] = _Lane(limit, self._lanes[beside].queue if beside else [])

    def set_limit(self, lane: str, limit: float) -> None:
        """Change a lane's limit, once its device is known."""
        self._lanes[lane].limit = limit

    def merge(self, source: str, target: str) -> None:
        """Make one lane of two: what is queued for `source`, now or later, goes to `target`."""
        moved = self._lanes.pop(source)
        assert moved.current is None, "only a lane that never ran can be merged"
        self._merged[source] = target
        for run in moved.queue:
            run.lane = target
            self._enqueue(run)

    def lane_of(self, lane: str) -> str:
        """The lane that serves `lane`: itself, or the one that it was merged into."""
        return self._merged.get(lane, lane)

    def submit(
        self, job: int, key: str, lane: str, estimate: float, now: float, session: str = ""
    ) -> tuple[int, bool]:
        """Queue a session's job, or let it join an equal run, queued or running. Returns (run, is new)."""
        name = self.lane_of(lane)
        target = self._lanes[name]
        order = self._order(target, session, now + estimate)
        for run in [*target.queue, *self._running(target)]:
            if run.key == key and run.kill_at is None and run.members:
                run.members[job] = session
                run.order = min(run.order, order) if session else run.order
                self._run_of[job] = run
                target.queue.sort(key=attrgetter("order", "id"))
                return run.id, False
        self._last_run += 1
        run = _Run(self._last_run, key, name, estimate, now + estimate, order, {job: session})
        self._run_of[job] = run
        self._enqueue(run)
        return run.id, True

    def leave(self, job: int) -> None:
        """Remove a job that is cancelled or answered otherwise. A run without jobs is dropped or stopped."""
        run = self._run_of.pop(job, None)
        if run is None:
            return
        del run.members[job]
        lane = self._lanes[run.lane]
        if not run.members and run in lane.queue:
            lane.queue.remove(run)

    def lane_ready(self, lane: str) -> None:
        """The lane's worker can take a run."""
        self._lanes[lane].ready = True

    def started(self, run: int, now: float) -> None:
        """The worker holds the device and measures: time counts from now."""
        if (current := self._current(run)) is not None:
            current.started, current.since, current.last_sign_at = True, now, now

    def alive(self, run: int, now: float) -> None:
        """The run gave a sign of life."""
        if (current := self._current(run)) is not None:
            current.last_sign_at = now

    def finished(self, run: int) -> list[int]:
        """The worker reports the end of a run. Returns its jobs; the lane is free."""
        for lane in self._lanes.values():
            if lane.current is not None and lane.current.id == run:
                return self._take_current(lane)
        return []

    def lane_lost(self, lane: str) -> list[int]:
        """The lane's worker is gone. Returns the jobs that were running on it; queued ones stay queued.

        A run that had not started yet was not the cause: it goes back to the queue, once.
        """
        lost = self._lanes[lane]
        lost.ready = False
        run = lost.current
        if run is None or run.started or run.returned or not run.members:
            return self._take_current(lost)
        lost.current, run.returned, run.kill_at = None, True, None
        self._enqueue(run)
        return []

    def give_up(self, lane: str) -> list[int]:
        """No lane of its pool will have a worker. Returns all their queued jobs, which are forgotten."""
        jobs = [job for run in self._lanes[lane].queue for job in run.members]
        self._lanes[lane].queue.clear()
        for job in jobs:
            del self._run_of[job]
        return jobs

    def decide(self, now: float) -> list[Action]:
        """What to do now. Asking twice never repeats an action."""
        actions: list[Action] = []
        for name, lane in self._lanes.items():
            if lane.current is not None:
                actions += self._check_current(name, lane, lane.current, now)
            elif lane.ready and lane.queue:
                lane.current = lane.queue.pop(0)
                lane.current.lane = name
                lane.current.since = lane.current.last_sign_at = now
                actions.append(Start(name, lane.current.id))
        return actions

    def place(self, job: int, now: float) -> Place:
        """The place of a job in its queue."""
        run = self._run_of.get(job)
        if run is None or run not in self._lanes[run.lane].queue:
            return Place(0, 0.0)
        lane = self._lanes[run.lane]
        index = lane.queue.index(run)
        serving = [mate for mate in self._pool(lane) if mate.ready or mate.current]
        free_in = [_left(mate.current, now) for mate in serving] or [0.0]
        heapq.heapify(free_in)
        for earlier in lane.queue[:index]:
            heapq.heapreplace(free_in, free_in[0] + earlier.estimate)
        return Place(index + 1, free_in[0])

    @property
    def jobs(self) -> list[int]:
        """Every job that is queued or running."""
        return list(self._run_of)

    def _pool(self, lane: _Lane) -> list[_Lane]:
        """The lanes that share the queue of this one, itself among them."""
        return [mate for mate in self._lanes.values() if mate.queue is lane.queue]

    def _running(self, lane: _Lane) -> list[_Run]:
        """What is measured in its pool now."""
        return [mate.current for mate in self._pool(lane) if mate.current is not None]

    def _enqueue(self, run: _Run) -> None:
        queue = self._lanes[run.lane].queue
        queue.append(run)
        queue.sort(key=attrgetter("order", "id"))

    def _order(self, lane: _Lane, session: str, due: float) -> float:
        """The place in the order of a session's run that is `due` then."""
        mine = [run for run in [*lane.queue, *self._running(lane)] if session in run.members.values()]
        return due + sum(run.estimate for run in mine if run.due <= due)

    def _check_current(self, name: str, lane: _Lane, run: _Run, now: float) -> list[Action]:
        if run.kill_at is not None:
            if now < run.kill_at:
                return []
            run.kill_at = math.inf
            return [Kill(name, run.id)]
        if not run.members:
            run.kill_at = now + STOP_SECONDS
            return [Stop(name, run.id, "left")]
        silent = now - run.last_sign_at > (SILENCE_SECONDS if run.started else ANSWER_SECONDS)
        if silent and not run.started and not run.returned:
            run.kill_at = math.inf
            return [Kill(name, run.id)]  # the worker's fault, not the run's: it begins again on a fresh one
        if silent or (now - run.since > lane.limit and lane.queue):
            run.kill_at = now + STOP_SECONDS
            return [Stop(name, run.id, _reason(silent, run.started), tuple(self._dismiss(run)))]
        return []

    def _current(self, run: int) -> _Run | None:
        running = (lane.current for lane in self._lanes.values() if lane.current is not None)
        return next((current for current in running if current.id == run), None)

    def _take_current(self, lane: _Lane) -> list[int]:
        run, lane.current = lane.current, None
        return self._dismiss(run) if run is not None else []

    def _dismiss(self, run: _Run) -> list[int]:
        members, run.members = list(run.members), {}
        for job in members:
            del self._run_of[job]
        return members


def _left(run: _Run | None, now: float) -> float:
    """For how many seconds a run is likely to keep its lane; 0 where there is none."""
    if run is None:
        return 0.0
    return max(0.0, run.estimate - (now - run.since if run.started else 0.0))


def _reason(silent: bool, started: bool) -> StopReason:
    if started:
        return "silence" if silent else "limit"
    return "unanswered" if silent else "busy"
