"""One device's worker over time: started, loading, ready, lost and started again.

Keeps the status that pages show. Knows no queue and no job; the supervisor thread alone calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from labs.runner.cluster import ClusterWorker
from labs.runner.failures import cannot_start
from labs.runner.job import WorkerStatus
from labs.runner.process import EventHandler, NoProcess, Worker, WorkerProcess
from labs.runner.protocol import Message
from minimind_core.errors import Sentence

MAX_FAILED_STARTS = 3
RETRY_SECONDS = 10.0
"""A dead lane is tried again at the first request this long after it was given up."""
LOAD_SECONDS = 180.0
"""A worker that is not ready by then hangs: it is killed and counts as a failed start. Where only its
checkpoint was missing, no other is started, as that would hang too."""

CANNOT_START = Sentence(
    "The worker could not start; `python -m minimind_core doctor` says what is wrong.", "worker.failed_starts"
)


class Lane:
    """Spawns its worker at once, here or in the cluster that `config` names.

    `on_event(lane, worker, message)` is called from a worker's thread. Lanes of one `pool` share a queue.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        on_event: Callable[[Lane, Worker, Message], None],
        now: float,
        pool: str = "",
    ) -> None:
        self.name, self.pool = name, pool or name
        self._config = dict(config)
        self._on_event = on_event
        self._failed_starts = 0
        self.process: Worker = NoProcess()
        self._spawn(now)

    def _spawn(self, now: float) -> None:
        self.status = WorkerStatus()
        self._since, self._hung = now, False
        try:
            self.process = self._worker(lambda *event: self._on_event(self, *event))
        except OSError as error:
            self.process = NoProcess()
            self.status = WorkerStatus(state="dead", error=cannot_start(error))
        self._config["wait_seconds"] = 0.0  # only a fresh server has something better to do

    def _worker(self, on_event: EventHandler) -> Worker:
        if cluster := self._config.get("cluster"):
            return ClusterWorker(cluster, self._config, on_event)
        return WorkerProcess(self._config, on_event)

    @property
    def dead(self) -> bool:
        """True when this lane has no worker and none is starting."""
        return self.status.state == "dead"

    def refusal(self, device: str) -> str:
        """Why this lane cannot serve a request for `device`; "" if nothing is known against it."""
        if self.dead:
            return self.status.error
        here = self.status.device
        if here and device not in ("auto", here):
            return Sentence(
                f"This machine computes on {here}; {device} is not available here.",
                "runner.device",
                {"here": here, "asked": device},
            )
        return ""

    def update(self, message: Message, now: float) -> None:
        """Take over a status message of the current worker."""
        fields = {name: value for name, value in message.items() if name != "event"}
        self.status = WorkerStatus(**fields)
        if self.status.state == "starting":
            self._since = now  # it waits for a place in the cluster, and hangs no more than its queue does
        if self.status.state == "ready":
            self._failed_starts = 0

    def exited(self, now: float) -> None:
        """The worker is gone. A fresh one starts, unless none can start here or three in a row failed."""
        if self.status.state in ("starting", "loading"):
            self._failed_starts += 1
        if self.dead:
            self._since = now
        elif self._hung and self.status.device:
            self._since = now
            self.status = replace(self.status, state="dead", error=self._never_loaded())
        elif self._failed_starts >= MAX_FAILED_STARTS:
            self._since = now
            self.status = WorkerStatus(state="dead", error=CANNOT_START)
        else:
            self._spawn(now)

    def tick(self, now: float) -> None:
        """Kill a worker that hangs while it loads."""
        if self.status.state in ("starting", "loading") and now - self._since > LOAD_SECONDS:
            self._since, self._hung = now, True
            self.process.kill()

    def _never_loaded(self) -> Sentence:
        model = str(self._config["model"])
        return Sentence(
            f"The checkpoint {model} did not load within {LOAD_SECONDS:g} s; choose another one.",
            "worker.never_loaded",
            {"model": model, "seconds": LOAD_SECONDS},
        )

    def revive(self, now: float) -> None:
        """Try a dead lane again, though not at every request."""
        if self.dead and now - self._since > RETRY_SECONDS:
            self._failed_starts = 0
            self._spawn(now)

    def close(self) -> None:
        """End the worker and wait for it."""
        self.process.kill()
        self.process.join(5.0)
