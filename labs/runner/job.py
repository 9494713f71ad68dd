"""What a caller of the runner holds: a job, and the status of a worker. Safe to read from any thread.

A job belongs to one caller. Several equal jobs may share one run; cancelling one leaves the others.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from labs.contract import Params

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
WorkerState = Literal["starting", "loading", "ready", "dead"]
Doing = tuple[str, Mapping[str, Any]]
"""What a run does now: a key under `progress` in its lab's catalogue, and the values that fill it."""
NOTHING: Doing = ("", {})
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
_ids = itertools.count(1)


@dataclass(frozen=True)
class WorkerStatus:
    """One worker as a badge shows it.

    `error` is a sentence, also when it is ready but lacks its model; `unused_gpu` tells of an NVIDIA GPU
    that this build of torch cannot use. `found` names the devices of this machine, each with the dtypes
    that it computes in.
    """

    state: WorkerState = "starting"
    device_name: str = ""
    device: str = ""
    dtype: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    model_name: str = ""
    error: str = ""
    unused_gpu: bool = False
    found: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Job:
    """One caller's wish to have an experiment run.

    `progress` is 0 to 1 and `doing` says what happens now. `position` counts from 1 for the next to run
    (0 when not queued) and `wait_seconds` estimates the time until the start. `error` is one English
    sentence, as a rule a Sentence, which other languages have by its key. `cached` is True when the
    result was kept from an earlier run, made at `measured_at` (ISO 8601, UTC).
    """

    def __init__(self, experiment_id: str, params: Params | None, cancel: Callable[[Job], None]) -> None:
        self.id = next(_ids)
        self.experiment_id = experiment_id
        self.params = params
        self.state: JobState = "queued"
        self.progress = 0.0
        self.doing = NOTHING
        self.result: dict[str, Any] | None = None
        self.error = ""
        self.error_code = ""
        self.position = 0
        self.wait_seconds = 0.0
        self.estimate = 0.0
        self.seconds = 0.0
        self.cached = False
        self.measured_at = ""
        self.device = ""
        self.device_name = ""
        self.dtype = ""
        self.versions: Mapping[str, str] = {}
        self._partials: list[dict[str, Any]] = []
        self._cancel = cancel
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def partials(self) -> list[dict[str, Any]]:
        """What `ctx.emit` has sent so far, in order."""
        return list(self._partials)

    @property
    def active(self) -> bool:
        """True while a page should go on looking."""
        return not self._ended.is_set()

    def cancel(self) -> None:
        """Leave: the job is cancelled at once, a run that nobody else waits for ends within 2 s."""
        if self.end("cancelled"):
            self._cancel(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the job has ended, at most `timeout` seconds. True if it has."""
        return self._ended.wait(timeout)

    def add_partial(self, partial: dict[str, Any]) -> None:
        """For backends: one more piece from the run."""
        self._partials.append(partial)

    def start(self, status: WorkerStatus) -> None:
        """For backends: the run has begun on this worker."""
        with self._lock:
            if self.state == "queued":
                self.device, self.device_name = status.device, status.device_name
                self.dtype, self.versions = status.dtype, status.versions
                self.position, self.wait_seconds, self.state = 0, 0.0, "running"

    def end(
        self, state: JobState, *, record: Mapping[str, Any] | None = None, error: str = "", code: str = ""
    ) -> bool:
        """For backends: the first end counts, later ones are ignored. True if this one counted.

        A done job comes with its record (`store.make_record`).
        """
        with self._lock:
            if self.state in ENDED:
                return False
            if record is not None:
                self.result, self.seconds = record["result"], record["seconds"]
                self.measured_at, self.versions = record["date"], record["versions"]
                self.device, self.device_name = record["device"], record["device_name"]
                self.dtype = record["dtype"]
                self.progress = 1.0
            self.position, self.wait_seconds = 0, 0.0
            self.error, self.error_code, self.state = error, code, state
        self._ended.set()
        return True
