"""What a caller of the runner holds: a job, its record, and the status of a worker.

A job belongs to one caller and may be read from any thread. Several equal jobs may share one run;
cancelling one leaves the others.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

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


class Record(TypedDict):
    """A finished run, as it is kept on disk. `date` is its end (ISO 8601, UTC), `seconds` its duration."""

    experiment: str
    params: dict[str, Any]
    device: str
    device_name: str
    dtype: str
    versions: dict[str, str]
    seconds: float
    date: str
    result: dict[str, Any]


class Job:
    """One caller's request to run an experiment.

    `progress` is 0 to 1 and `doing` says what happens now. `position` counts from 1 for the next to run
    (0 when not queued) and `wait_seconds` estimates the time until the start. `error` is one English
    sentence, as a rule a Sentence, which other languages have by its key. `record` is there once the job
    is done; `cached` is True when it was kept from an earlier run.
    """

    def __init__(self, experiment_id: str, params: Params | None, cancel: Callable[[Job], None]) -> None:
        self.id = next(_ids)
        self.experiment_id = experiment_id
        self.params = params
        self.state: JobState = "queued"
        self.progress = 0.0
        self.doing = NOTHING
        self.position = 0
        self.wait_seconds = 0.0
        self.error = ""
        self.record: Record | None = None
        self.cached = False
        self._partials: list[dict[str, Any]] = []
        self._cancel = cancel
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def result(self) -> dict[str, Any] | None:
        """What was measured; None unless the job is done."""
        return self.record["result"] if self.record else None

    @property
    def seconds(self) -> float:
        """How long the measurement took; 0 unless the job is done."""
        return self.record["seconds"] if self.record else 0.0

    @property
    def measured_at(self) -> str:
        """When the measurement ended (ISO 8601, UTC); "" unless the job is done. So are those below."""
        return self.record["date"] if self.record else ""

    @property
    def device(self) -> str:
        """The device that was measured: "cpu", "cuda" or "mps"."""
        return self.record["device"] if self.record else ""

    @property
    def device_name(self) -> str:
        """The device's name for people."""
        return self.record["device_name"] if self.record else ""

    @property
    def dtype(self) -> str:
        """What the run computed in: "fp32", "bf16" or "fp16"."""
        return self.record["dtype"] if self.record else ""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of Python, torch and the like, by name."""
        return self.record["versions"] if self.record else {}

    @property
    def partials(self) -> list[dict[str, Any]]:
        """What `ctx.emit` has sent so far, in order."""
        return list(self._partials)

    @property
    def active(self) -> bool:
        """True until the job has ended."""
        return not self._ended.is_set()

    def cancel(self) -> None:
        """End this job now; its run ends within 2 s unless other jobs share it."""
        if self.end("cancelled"):
            self._cancel(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the job has ended, at most `timeout` seconds. True if it has."""
        return self._ended.wait(timeout)

    def add_partial(self, partial: dict[str, Any]) -> None:
        """For backends: the run has emitted one more piece."""
        self._partials.append(partial)

    def start(self) -> None:
        """For backends: the run has begun."""
        with self._lock:
            if self.state == "queued":
                self.position, self.wait_seconds, self.state = 0, 0.0, "running"

    def end(self, state: JobState, *, record: Record | None = None, error: str = "") -> bool:
        """For backends: the first end counts, later ones are ignored. True if this one counted.

        A done job comes with its record (`store.make_record`), a failed one with its error.
        """
        with self._lock:
            if self.state in ENDED:
                return False
            if record is not None:
                self.record, self.progress = record, 1.0
            self.position, self.wait_seconds = 0, 0.0
            self.error, self.state = error, state
        self._ended.set()
        return True
