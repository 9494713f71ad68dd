"""A run in the supervisor's books: who waits for it, where it is, and what it has said so far."""

from __future__ import annotations

from typing import Any

from labs.runner.job import NOTHING, Doing, Job
from labs.runner.protocol import Message
from labs.runner.request import Request


class Run:
    """One measurement that equal jobs share; `jobs` has them by their id.

    `lane` is the name of the lane whose worker was sent the run, "" while it is queued. A job that joins
    late is given all that the others have already got.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.jobs: dict[int, Job] = {}
        self.lane = ""
        self._started = False
        self._partials: list[dict[str, Any]] = []
        self._progress = 0.0
        self._doing: Doing = NOTHING

    def join(self, job: Job) -> None:
        """Add a job that waits for this run."""
        self.jobs[job.id] = job
        for partial in self._partials:
            job.add_partial(partial)
        job.progress, job.doing = self._progress, self._doing
        if self._started:
            job.start()

    def start(self) -> None:
        """The worker holds the device and measures."""
        self._started = True
        for job in self.jobs.values():
            job.start()

    def pass_on(self, message: Message) -> None:
        """Give a "partial" or "progress" message to all jobs."""
        if message["event"] == "partial":
            self._partials.append(message["partial"])
            for job in self.jobs.values():
                job.add_partial(message["partial"])
        else:
            self._progress, self._doing = message["fraction"], tuple(message["doing"])
            for job in self.jobs.values():
                job.progress, job.doing = self._progress, self._doing
