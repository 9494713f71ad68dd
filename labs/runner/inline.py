"""The runner without a second process: `submit` measures in the calling thread and returns an ended job.

For tests and the command line; the web process must not use it, for it imports torch. No queue, no
time limit and no result store; the device lock is the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from labs.contract import DEFAULT_MODEL, Params
from labs.contract.registry import Registry
from labs.runner.execute import execute
from labs.runner.host import Host
from labs.runner.job import Job, WorkerStatus
from labs.runner.request import Request
from labs.runner.store import make_record
from labs.runner.submitting import Submitting


class InlineClient(Submitting):
    """Like `WorkerClient`, in this thread. `watch(job)` is called at every message of a run.

    >>> InlineClient.start("cpu").submit("q13/next_token").state
    'done'
    """

    def __init__(self, host: Host, registry: Registry, model: str, watch: Callable[[Job], None]) -> None:
        super().__init__(registry, model)
        self._host, self._watch = host, watch

    @classmethod
    def start(
        cls,
        device: str = "auto",
        *,
        model: str = DEFAULT_MODEL,
        dtype: str = "fp32",
        registry: Registry | None = None,
        watch: Callable[[Job], None] = lambda _job: None,
    ) -> InlineClient:
        """Import torch and take the device. Raises DeviceError for one that this machine lacks."""
        return cls(Host(device, dtype), registry or Registry.discover(), model, watch)

    def status(self, device: str | None = None) -> WorkerStatus:
        """Always ready; there is one device."""
        return WorkerStatus(state="ready", model_name=self._model, **self._host.describe())

    def _begin(self, request: Request) -> Job:
        """Measure now, `fresh` or not, whoever asks.

        The job has ended when this returns; `watch` may cancel it before.
        """
        cancelled = threading.Event()
        job = Job(request.experiment.id, request.params, lambda _job: cancelled.set())
        self._run(job, request, cancelled)
        return job

    def find(self, experiment_id: str, params: Params) -> None:
        """Nothing: no run outlives `submit`, and no result is kept."""

    def num_jobs(self) -> int:
        """Always 0: a run has ended when `submit` returns."""
        return 0

    def close(self, farewell: str = "") -> None:
        """Do nothing; there is no worker to end."""

    def _run(self, job: Job, request: Request, cancelled: threading.Event) -> None:
        status = self.status()

        def listen(message: Mapping[str, Any]) -> None:
            if message["event"] == "started":
                job.start()
            elif message["event"] == "partial":
                job.add_partial(message["partial"])
            elif message["event"] == "progress":
                job.progress, job.doing = message["fraction"], tuple(message["doing"])
            self._watch(job)

        outcome = execute(
            request.experiment, request.params, self._host, listen, cancelled, model=request.model
        )
        if outcome.result is None:
            job.end(outcome.state, error=outcome.error)
        else:
            job.end(
                "done",
                record=make_record(
                    request.experiment.id, request.params.to_dict(), status, outcome.seconds, outcome.result
                ),
            )
