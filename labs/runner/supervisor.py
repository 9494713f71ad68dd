"""The supervisor thread: keeps a worker alive per device and carries out what the scheduler decides.

Everything that happens arrives in one inbox and is handled by one thread, so nothing here needs a lock.
It survives any end of a worker; a job on it fails with a sentence and a fresh worker starts.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.runner.estimate import Estimates
from labs.runner.failures import explain_exit, explain_stop
from labs.runner.job import NOTHING, Doing, Job, JobState, WorkerStatus
from labs.runner.lane import Lane
from labs.runner.process import WorkerProcess
from labs.runner.protocol import Message
from labs.runner.request import Request
from labs.runner.schedule import Action, Kill, Scheduler, Stop
from labs.runner.store import Record, ResultStore, make_record
from labs.tools.budgets import device_class
from minimind_core.errors import Sentence

_log = logging.getLogger(__name__)
TICK_SECONDS = 0.1
LIMITS = {"cpu": 60.0, "cuda": 120.0}
OWN, CPU = "own", "cpu"
"""The lane of the chosen device, and the CPU lane beside a GPU."""
CLOSED = Sentence("The runner was closed; start the app again.", "runner.closed")


@dataclass
class _Live:
    """A run and what it has said so far, for those who join late."""

    request: Request
    jobs: dict[int, Job] = field(default_factory=dict)
    partials: list[dict[str, Any]] = field(default_factory=list)
    progress: float = 0.0
    doing: Doing = NOTHING
    sent_to: str = ""
    started: bool = False


class Supervisor:
    """Owned by a client; `submit`, `leave`, `status` and `close` may be called from any thread."""

    def __init__(self, config: Mapping[str, Any], store: ResultStore) -> None:
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._config = dict(config)
        self._store = store
        self._estimates = Estimates()
        self._scheduler = Scheduler()
        self._runs: dict[int, _Live] = {}
        self._waiting: dict[int, _Live] = {}  # by job
        self._closing = False
        self._farewell: str = CLOSED
        for name in (OWN, CPU):
            self._scheduler.add_lane(name, LIMITS["cpu"])
        self._lanes = {OWN: self._open_lane(OWN, self._config["device"])}
        self._thread = threading.Thread(target=self._work, name="labs-supervisor", daemon=True)
        self._thread.start()

    # --- from any thread

    def submit(self, job: Job, request: Request) -> None:
        """Queue a job; after `close` it is cancelled at once."""
        self._inbox.put(lambda: self._submit(job, request))
        if self._closing:
            job.end("cancelled", error=self._farewell)

    def leave(self, job: Job) -> None:
        """A caller has cancelled its job."""
        self._inbox.put(lambda: self._leave(job))

    def status(self, device: str) -> WorkerStatus:
        """The worker that serves `device`."""
        lanes = dict(self._lanes)
        return lanes.get(CPU if device == "cpu" else OWN, lanes[OWN]).status

    def num_jobs(self) -> int:
        """How many jobs are queued or running."""
        return len(self._waiting)

    def close(self, farewell: str = CLOSED) -> None:
        """End every worker, the thread, and every job with the sentence `farewell`."""
        self._farewell = farewell
        self._inbox.put(self._close)
        self._thread.join(10.0)

    # --- on the supervisor thread

    def _work(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception:  # one broken job must not end the runner of everybody
                _log.exception("The lab supervisor met an error and goes on")

    def _turn(self) -> None:
        """Take what has arrived, then do what is due."""
        with contextlib.suppress(queue.Empty):
            event = self._inbox.get(timeout=TICK_SECONDS)
            event()
            while True:
                event = self._inbox.get_nowait()
                event()
        now = time.monotonic()
        for lane in self._lanes.values():
            lane.tick(now)
        for action in self._scheduler.decide(now):
            self._do(action)
        self._tell_places(now)

    def _submit(self, job: Job, request: Request) -> None:
        if not job.active or self._answer(job, request):
            return
        name = self._scheduler.lane_of(CPU if request.device == "cpu" else OWN)
        lane, now = self._lanes.get(name), time.monotonic()
        if lane is not None:
            lane.revive(now)
        if problem := _refusal(request, lane):
            job.end("failed", error=problem, code="device")
            return
        job.estimate = self._estimate(request, lane)
        run, _ = self._scheduler.submit(job.id, request.share_key(), name, job.estimate, now)
        live = self._runs.setdefault(run, _Live(request))
        live.jobs[job.id] = job
        self._waiting[job.id] = live
        for partial in live.partials:
            job.add_partial(partial)
        job.progress, job.doing = live.progress, live.doing
        if live.started and lane is not None:
            job.start(lane.status)

    def _leave(self, job: Job) -> None:
        self._scheduler.leave(job.id)
        live = self._waiting.pop(job.id, None)
        if live is not None:
            del live.jobs[job.id]
        self._runs = {run: live for run, live in self._runs.items() if live.jobs or live.sent_to}

    def _close(self) -> None:
        self._closing = True
        for lane in self._lanes.values():
            lane.close()
        self._end(list(self._waiting), "cancelled", error=self._farewell)

    def _do(self, action: Action) -> None:
        live, lane = self._runs[action.run], self._lanes[action.lane]
        if isinstance(action, Kill):
            lane.process.kill()
        elif isinstance(action, Stop):
            lane.process.send({"do": "cancel", "run": action.run})
            self._end(
                action.members,
                "failed",
                code=action.reason,
                error=explain_stop(action.reason, LIMITS[device_class(lane.status.device)]),
            )
        elif problem := _refusal(live.request, lane):
            self._end(self._scheduler.finished(action.run), "failed", error=problem, code="device")
            del self._runs[action.run]
        else:
            live.sent_to = action.lane
            lane.process.send(
                {
                    "do": "run",
                    "run": action.run,
                    "experiment": live.request.experiment.id,
                    "params": live.request.params.to_dict(),
                    "model": live.request.model,
                }
            )

    def _hear(self, lane: Lane, process: WorkerProcess, message: Message) -> None:
        if self._closing or process is not lane.process:
            return
        event = message["event"]
        if event == "status":
            self._hear_status(lane, message)
        elif event == "exit":
            self._hear_exit(lane, message["code"])
        elif event == "ended":
            self._hear_end(lane, message)
        elif event == "alive":
            self._scheduler.heard(message["run"], time.monotonic())
        elif event == "started":
            self._scheduler.started(message["run"], time.monotonic())
            self._runs[message["run"]].started = True
            for job in self._runs[message["run"]].jobs.values():
                job.start(lane.status)
        else:
            self._scheduler.heard(message["run"], time.monotonic())
            _pass_on(self._runs[message["run"]], message)

    def _hear_status(self, lane: Lane, message: Message) -> None:
        knew_device = bool(lane.status.device)
        lane.hear(message)
        if lane.status.device and not knew_device:
            self._scheduler.set_limit(lane.name, LIMITS[device_class(lane.status.device)])
            self._settle_cpu_lane(lane)
            for live in list(self._waiting.values()):
                for job in list(live.jobs.values()):
                    self._answer(job, live.request)
        if lane.status.state == "ready":
            self._scheduler.lane_ready(lane.name)

    def _hear_exit(self, lane: Lane, code: int | None) -> None:
        failure = explain_exit(code)
        self._end(self._scheduler.lane_lost(lane.name), "failed", error=failure.sentence, code=failure.code)
        for run, live in list(self._runs.items()):
            if live.sent_to == lane.name and live.jobs:
                live.sent_to = ""  # it had not begun, and waits again
            elif live.sent_to == lane.name:
                del self._runs[run]
        lane.exited(time.monotonic())
        if lane.dead:
            self._settle_cpu_lane(lane)
            self._end(self._scheduler.give_up(lane.name), "failed", error=lane.status.error, code="device")

    def _hear_end(self, lane: Lane, message: Message) -> None:
        members = (
            self._scheduler.lane_lost(lane.name)
            if message["fatal"]  # its worker is ending itself
            else self._scheduler.finished(message["run"])
        )
        request = self._runs.pop(message["run"]).request
        if message["state"] != "done":
            self._end(members, "failed", error=message["error"], code=message["code"])
            return
        seconds, result = message["seconds"], message["result"]
        self._estimates.learn(request.experiment, request.params, device_class(lane.status.device), seconds)
        record = make_record(request.experiment.id, request.params.to_dict(), lane.status, seconds, result)
        if request.experiment.keep:
            self._store.keep(request.store_key(lane.status), record)
        self._end(members, "done", record=record)

    def _answer(self, job: Job, request: Request) -> bool:
        """Give a job its kept result, if there is one."""
        status = self.status(request.device)
        if request.fresh or not request.experiment.keep or not status.device_name:
            return False
        record = self._store.find(request.store_key(status))
        if record is None:
            return False
        self._leave(job)
        job.cached = True
        return job.end("done", record=record)

    def _end(
        self,
        jobs: Iterable[int],
        state: JobState,
        *,
        record: Record | None = None,
        error: str = "",
        code: str = "",
    ) -> None:
        for number in jobs:
            self._waiting.pop(number).jobs.pop(number).end(state, record=record, error=error, code=code)

    def _open_lane(self, name: str, device: str) -> Lane:
        return Lane(
            name,
            {**self._config, "device": device},
            lambda *event: self._inbox.put(lambda: self._hear(*event)),
            time.monotonic(),
        )

    def _settle_cpu_lane(self, own: Lane) -> None:
        """A GPU gets a CPU worker beside it; a CPU is its own."""
        if own.name != OWN or CPU in self._lanes or self._scheduler.lane_of(CPU) != CPU:
            return
        if own.status.device in ("", "cpu"):
            self._scheduler.merge(CPU, OWN)
        else:
            self._lanes = {**self._lanes, CPU: self._open_lane(CPU, "cpu")}

    def _estimate(self, request: Request, lane: Lane | None) -> float:
        device = lane.status.device if lane is not None else "cpu"
        return self._estimates.seconds(request.experiment, request.params, device_class(device))

    def _tell_places(self, now: float) -> None:
        for number, live in self._waiting.items():
            if not live.sent_to:
                job, place = live.jobs[number], self._scheduler.place(number, now)
                job.position, job.wait_seconds = place.position, place.wait_seconds


def _pass_on(live: _Live, message: Message) -> None:
    if message["event"] == "partial":
        live.partials.append(message["partial"])
        for job in live.jobs.values():
            job.add_partial(message["partial"])
        return
    live.progress, live.doing = message["fraction"], tuple(message["doing"])
    for job in live.jobs.values():
        job.progress, job.doing = live.progress, live.doing


def _refusal(request: Request, lane: Lane | None) -> str:
    """Why a lane cannot serve a request, or nothing."""
    if lane is None:
        return ""
    if lane.dead:
        return lane.status.error
    if lane.status.device and request.device not in ("auto", lane.status.device):
        here = lane.status.device
        return Sentence(
            f"This machine computes on {here}; {request.device} is not available here.",
            "runner.device",
            {"here": here, "asked": request.device},
        )
    return ""
