"""The way into the runner for the web process: `WorkerClient`. Never imports torch.

Checks a request and hands it to the supervisor thread; everything else happens there.
"""

from __future__ import annotations

import atexit

from labs.contract import DEFAULT_MODEL, Params
from labs.contract.registry import Registry
from labs.runner.cluster import LOCAL, cluster_of
from labs.runner.job import Job, WorkerStatus
from labs.runner.request import Request, make_request
from labs.runner.store import ResultStore
from labs.runner.submitting import Submitting
from labs.runner.supervisor import CLOSED, Supervisor


class WorkerClient(Submitting):
    """Workers for this machine: the chosen device, and beside a GPU also the CPU. Thread-safe.

    runner = WorkerClient.start()                                        # returns at once
    job = runner.submit("q13/next_token", {"prompt": "Once upon a time"})
    job.wait(30), job.state                                              # (True, "done")
    """

    def __init__(self, supervisor: Supervisor, registry: Registry, model: str) -> None:
        super().__init__(registry, model)
        self._supervisor = supervisor

    @classmethod
    def start(
        cls,
        device: str = "auto",
        *,
        model: str = DEFAULT_MODEL,
        dtype: str = "fp32",
        registry: Registry | None = None,
        store: ResultStore | None = None,
        wait_seconds: float = 0.0,
        runner: str = LOCAL,
    ) -> WorkerClient:
        """Start the worker for "auto", "cpu" or "cuda" and return without waiting for it.

        `model` is the checkpoint (name or path) that runs use unless they say otherwise. `wait_seconds`:
        how long it leaves the cores to others before it loads torch. `runner` is "local", or the address of a
        Ray cluster whose workers are used instead of this machine's (`cluster.cluster_of`).
        Raises ConfigError for any other.
        """
        cluster = cluster_of(runner)
        registry = registry or Registry.discover()
        config = {
            "device": device,
            "dtype": dtype,
            "model": model,
            "experiments": list(registry.packages),
            "wait_seconds": wait_seconds,
            "cluster": cluster.address if cluster else "",
        }
        workers = cluster.workers if cluster else 1
        client = cls(Supervisor(config, store or ResultStore(), workers), registry, model)
        atexit.register(client.close)
        return client

    def status(self, device: str | None = None) -> WorkerStatus:
        """The worker's state now; "cpu" asks for the CPU worker beside a GPU."""
        return self._supervisor.status(device or "auto")

    def _begin(self, request: Request) -> Job:
        """Queue it. Equal jobs share a run; sessions are served in turn."""
        job = Job(request.experiment.id, request.params, self._supervisor.leave)
        self._supervisor.submit(job, request)
        return job

    def find(self, experiment_id: str, params: Params) -> Job | None:
        """A job for what is there without a new run: an equal run under way is joined, else a kept result is
        read. None where there is neither.
        """
        request = make_request(self._registry, experiment_id, params, device="auto", model=self._model)
        if not self._supervisor.has(request):
            return None
        return self.submit(experiment_id, params)

    def num_jobs(self) -> int:
        """How many jobs are queued or running now."""
        return self._supervisor.num_jobs()

    def close(self, farewell: str = CLOSED) -> None:
        """End all workers; what is queued or running ends with the sentence `farewell`. Twice is fine."""
        atexit.unregister(self.close)
        self._supervisor.close(farewell)
