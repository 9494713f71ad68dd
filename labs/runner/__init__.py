"""Runs experiments outside the web process, so that a measurement never slows a page or takes it down.

Reading order: `job.py` what a caller holds · `client.py` the way in · `schedule.py` who runs next, pure ·
`supervisor.py` the thread that carries it out · `process.py` one worker from outside · `worker.py` the same
from inside · `execute.py` one run · `host.py` device and models · `inline.py` all this in one process ·
`cluster.py` a worker somewhere in a Ray cluster.

    runner = WorkerClient.start()
    job = runner.submit("q13/next_token", {"prompt": "今天天气"})
    job.wait(10); job.result["logits"]
"""

from labs.runner.client import WorkerClient
from labs.runner.job import Job, WorkerStatus

__all__ = ["Job", "WorkerClient", "WorkerStatus"]
