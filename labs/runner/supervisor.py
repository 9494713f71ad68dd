"""The supervisor thread: keeps the workers alive and carries out what the scheduler decides.

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
from functools import partial
from typing import Any

from labs.runner.estimate import Estimates
from labs.runner.failures import explain, explain_exit, explain_stop
from labs.runner.job import Job, JobState, Record, WorkerStatus
from labs.runner.lane import Lane
from labs.runner.pools import Pools
from labs.runner.process import Worker
from labs.runner.protocol import Message
from labs.runner.request import Request
from labs.runner.run import Run
from labs.runner.schedule import Action, Kill, Scheduler, Stop
from labs.runner.store import ResultStore, make_record
from labs.tools.budgets import device_class
from minimind_core.errors import Sentence

_log = logging.getLogger(__name__)
TICK_SECONDS = 0.1
LIMITS = {"cpu": 60.0, "cuda": 120.0}
OWN, CPU = "own", "cpu"
"""The pool of the chosen device, and that of the CPU beside a GPU; the first lane of a pool has its name."""
CLOSED = Sentence("The runner was closed; start the app again.", "runner.closed")


class Supervisor:
    """Owned by a client; `submit`, `leave`, `status` and `close` may be called from any thread.

    `workers`: how many of a cluster measure on the chosen device, for one queue.
    """

    def __init__(self, config: Mapping[str, Any], store: ResultStore, workers: int = 1) -> None:
        self._inbox: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._store = store
        self._estimates = Estimates()
        self._scheduler = Scheduler()
        self._runs: dict[int, Run] = {}
        self._run_of: dict[int, Run] = {}  # by the id of a job
        self._closing = False
        self._farewell: str = CLOSED
        for name in (OWN, CPU):
            self._scheduler.add_lane(name, LIMITS["cpu"])
        self._pools = Pools(config, lambda *event: self._inbox.put(lambda: self._receive(*event)))
        for name in self._pools.open(OWN, config["device"], workers)[1:]:
            self._scheduler.add_lane(name, LIMITS["cpu"], beside=OWN)
        if self._pools.dead(OWN):
            self._settle_cpu(self._pools.lanes[OWN])
        self._thread = threading.Thread(target=self._work, name="labs-supervisor", daemon=True)
        self._thread.start()

    # --- from any thread

    def submit(self, job: Job, request: Request) -> None:
        """Queue a job; after `close` it is cancelled at once."""
        self._inbox.put(lambda: self._attempt([job], lambda: self._submit(job, request)))
        if self._closing:
            job.end("cancelled", error=self._farewell)

    def leave(self, job: Job) -> None:
        """A caller has cancelled its job."""
        self._inbox.put(lambda: self._leave(job))

    def status(self, device: str) -> WorkerStatus:
        """The worker that serves `device`; of several the one that can measure first."""
        lane = self._pools.best(CPU if device == "cpu" else OWN) or self._pools.best(OWN)
        assert lane is not None, "the own pool is opened first"
        return lane.status

    def has(self, request: Request) -> bool:
        """Whether an equal run is under way, or its result is kept."""
        kept = self._store.answer(request, self.status(request.device))
        return kept is not None or self._is_under_way(request)

    def num_jobs(self) -> int:
        """How many jobs are queued or running."""
        return len(self._run_of)

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
            except Exception:  # an error that no job is to blame for must not end the runner of everybody
                _log.exception("The lab supervisor met an error and goes on")

    def _turn(self) -> None:
        """Handle what has arrived, then do what is due."""
        with contextlib.suppress(queue.Empty):
            handle = self._inbox.get(timeout=TICK_SECONDS)
            handle()
            while True:
                handle = self._inbox.get_nowait()
                handle()
        now = time.monotonic()
        for lane in self._pools.lanes.values():
            lane.tick(now)
            if self._pools.dead(lane.pool):
                self._end(self._scheduler.give_up(lane.name), "failed", error=lane.status.error)
        for action in self._scheduler.decide(now):
            self._carry_out(action)
        self._update_places(now)

    def _attempt(self, jobs: Iterable[Job], handle: Callable[[], object]) -> bool:
        """Do what concerns these jobs; whatever goes wrong in it ends them with a sentence. True if well."""
        try:
            handle()
        except Exception as error:
            _log.exception("The lab supervisor met an error, ends the job and goes on")
            for job in list(jobs):
                job.end("failed", error=explain(error).sentence)
                self._leave(job)
            return False
        return True

    def _submit(self, job: Job, request: Request) -> None:
        if not job.active or (not self._is_under_way(request) and self._answer_from_store(job, request)):
            return
        name, now = self._scheduler.lane_of(CPU if request.device == "cpu" else OWN), time.monotonic()
        self._pools.revive(name, now)
        lane = self._pools.best(name)
        if lane is not None and (refusal := lane.refusal(request.device)):
            job.end("failed", error=refusal)
            return
        device = device_class(lane.status.device if lane is not None else "cpu")
        estimate = self._estimates.seconds(request.experiment, request.params, device)
        key = request.share_key()
        run_id, _ = self._scheduler.submit(job.id, key, name, estimate, now, request.session)
        run = self._runs.setdefault(run_id, Run(request))
        run.join(job)
        self._run_of[job.id] = run

    def _leave(self, job: Job) -> None:
        self._scheduler.leave(job.id)
        run = self._run_of.pop(job.id, None)
        if run is not None:
            run.jobs.pop(job.id, None)
        self._runs = {run_id: run for run_id, run in self._runs.items() if run.jobs or run.lane}

    def _close(self) -> None:
        self._closing = True
        for lane in self._pools.lanes.values():
            lane.close()
        self._end(list(self._run_of), "cancelled", error=self._farewell)

    def _carry_out(self, action: Action) -> None:
        run, lane = self._runs[action.run], self._pools.lanes[action.lane]
        if isinstance(action, Kill):
            lane.process.kill()
        elif isinstance(action, Stop):
            lane.process.send({"do": "cancel", "run": action.run})
            limit = LIMITS[device_class(lane.status.device)]
            self._end(action.members, "failed", error=explain_stop(action.reason, limit))
        elif refusal := lane.refusal(run.request.device):
            self._end(self._scheduler.finished(action.run), "failed", error=refusal)
            del self._runs[action.run]
        elif not self._attempt(run.jobs.values(), lambda: self._send(action.run, run, lane)):
            self._scheduler.finished(action.run)  # nothing was sent, so the lane is free
            self._runs.pop(action.run, None)

    def _send(self, run_id: int, run: Run, lane: Lane) -> None:
        run.lane = lane.name
        lane.process.send(
            {
                "do": "run",
                "run": run_id,
                "experiment": run.request.experiment.id,
                "params": run.request.params.to_dict(),
                "model": run.request.model,
            }
        )

    def _receive(self, lane: Lane, process: Worker, message: Message) -> None:
        """One message of a worker; those of a worker that has been replaced count no more.

        A worker whose message makes no sense is killed: nobody knows what it holds.
        """
        if self._closing or process is not lane.process:
            return
        run = self._runs.get(message.get("run", 0))
        jobs = run.jobs.values() if run is not None else ()
        if not self._attempt(jobs, lambda: self._handle(lane, message)):
            process.kill()

    def _handle(self, lane: Lane, message: Message) -> None:
        event, now = message["event"], time.monotonic()
        if event == "status":
            self._handle_status(lane, message)
        elif event == "exit":
            self._handle_exit(lane, message["code"], now)
        elif event == "ended":
            self._handle_end(lane, message)
        elif event == "started":
            self._scheduler.started(message["run"], now)
            self._runs[message["run"]].start()
        else:
            self._scheduler.alive(message["run"], now)
            if event != "alive":
                self._runs[message["run"]].pass_on(message)

    def _handle_status(self, lane: Lane, message: Message) -> None:
        knew_device = bool(lane.status.device)
        lane.update(message, time.monotonic())
        if lane.status.device and not knew_device:
            self._scheduler.set_limit(lane.name, LIMITS[device_class(lane.status.device)])
            self._settle_cpu(lane)
            for run in list(self._run_of.values()):
                for job in list(run.jobs.values()):
                    self._attempt([job], partial(self._answer_from_store, job, run.request))
        if lane.status.state == "ready":
            self._scheduler.lane_ready(lane.name)

    def _handle_exit(self, lane: Lane, code: int | None, now: float) -> None:
        self._end(self._scheduler.lane_lost(lane.name), "failed", error=explain_exit(code))
        for run_id, run in list(self._runs.items()):
            if run.lane == lane.name and run.jobs:
                run.lane = ""  # it had not begun, and waits again
            elif run.lane == lane.name:
                del self._runs[run_id]
        lane.exited(now)
        if lane.dead:
            self._settle_cpu(lane)

    def _handle_end(self, lane: Lane, message: Message) -> None:
        run_id, fatal = message["run"], message["fatal"]
        request = self._runs.pop(run_id).request  # a message of no run ends here, before a job is dismissed
        jobs = (
            self._scheduler.lane_lost(lane.name)
            if fatal  # its worker is ending itself
            else self._scheduler.finished(run_id)
        )
        if message["state"] != "done":
            self._end(jobs, "failed", error=message["error"])
            return
        seconds, result = message["seconds"], message["result"]
        self._estimates.learn(request.experiment, request.params, device_class(lane.status.device), seconds)
        record = make_record(request.experiment.id, request.params.to_dict(), lane.status, seconds, result)
        if request.experiment.keep:
            self._store.keep(request.store_key(lane.status), record)
        self._end(jobs, "done", record=record)

    def _answer_from_store(self, job: Job, request: Request) -> bool:
        """End a job with its kept result. False if there is none."""
        record = None if request.fresh else self._store.answer(request, self.status(request.device))
        if record is None:
            return False
        self._leave(job)
        job.cached = True
        return job.end("done", record=record)

    def _is_under_way(self, request: Request) -> bool:
        """Whether an equal run is queued or running. What is measured again counts before what is kept."""
        return any(run.jobs and run.request.shares(request) for run in list(self._runs.values()))

    def _end(
        self, jobs: Iterable[int], state: JobState, *, record: Record | None = None, error: str = ""
    ) -> None:
        """End jobs, by their ids, that the scheduler has already dismissed."""
        for job_id in jobs:
            self._run_of.pop(job_id).jobs.pop(job_id).end(state, record=record, error=error)

    def _settle_cpu(self, own: Lane) -> None:
        """Once the chosen device is known: a GPU gets a CPU worker beside it; a CPU is its own."""
        if own.pool != OWN or self._pools.of(CPU) or self._scheduler.lane_of(CPU) != CPU:
            return
        if own.status.device in ("", "cpu"):
            self._scheduler.merge(CPU, OWN)
        else:
            self._pools.open(CPU, "cpu")

    def _update_places(self, now: float) -> None:
        for job_id, run in self._run_of.items():
            job, place = run.jobs[job_id], self._scheduler.place(job_id, now)
            job.position, job.wait_seconds = place.position, place.wait_seconds
