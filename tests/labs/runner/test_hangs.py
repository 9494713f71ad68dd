"""Workers that really hang: stopped while idle, and while they start."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from labs.runner import WorkerClient, schedule
from labs.runner.exchange import STOPPED, RunnerExchange, RunnerSettings
from tests.labs.runner.specimens import specimen_client
from tests.labs.runner.waiting import SOON, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs SIGSTOP and /proc")
OLD = RunnerSettings("cpu", "fp32", "random:byte-128")
HANGING = RunnerSettings("cpu", "fp32", "minimind-26m")
"""A worker with these is stopped by a signal at its start: nothing that it reads will ever end."""


def workers() -> set[int]:
    """The processes of workers, here and in the cluster of these tests, which are ours too."""
    found = set()
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "labs.runner.start" in each.cmdline():
                found.add(each.pid)
    return found


@pytest.fixture(scope="module")
def exchange(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerExchange]:
    def start(settings: RunnerSettings, **_options: float) -> WorkerClient:
        before = workers()
        folder = tmp_path_factory.mktemp("results")
        client = specimen_client(folder, settings.device, model=settings.model, runner=backend)
        if settings == HANGING:
            wait_for(lambda: workers() - before)
            os.kill((workers() - before).pop(), signal.SIGSTOP)
        return client

    exchange = RunnerExchange(OLD, start)
    yield exchange
    exchange.client.close()


def pid(exchange: RunnerExchange, tag: int) -> int:
    """Of the worker that does a run now."""
    job = exchange.client.submit("q00/wait", {"seconds": 0.0, "tag": tag})
    assert job.wait(SOON) and job.state == "done", job.error
    return job.result["pid"]  # type: ignore[index]


def test_an_idle_worker_that_was_stopped_is_replaced_and_the_job_done(
    exchange: RunnerExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = pid(exchange, 1)
    os.kill(idle, signal.SIGSTOP)
    jobs = [exchange.client.submit("q00/wait", {"seconds": 0.0, "tag": tag}) for tag in (2, 3)]
    with monkeypatch.context() as patch:
        patch.setattr(schedule, "ANSWER_SECONDS", 0.5)
        wait_for(lambda: not Path(f"/proc/{idle}").exists())
    assert all(job.wait(SOON) and job.state == "done" for job in jobs), [job.error for job in jobs]
    assert all(job.result["pid"] != idle for job in jobs)  # type: ignore[index]


def test_a_try_of_a_checkpoint_that_hangs_can_be_stopped(exchange: RunnerExchange) -> None:
    before = pid(exchange, 10)
    assert exchange.change(HANGING, lambda _settings: pytest.fail("kept"))
    assert pid(exchange, 11) == before, "the labs go on meanwhile"
    assert exchange.trying == HANGING, exchange.problem
    exchange.stop()
    wait_for(lambda: exchange.trying is None)
    assert exchange.problem == STOPPED and exchange.settings == OLD
    assert pid(exchange, 12) == before
    assert exchange.change(RunnerSettings("cpu", "fp32", "nowhere"), lambda _settings: "")
    wait_for(lambda: exchange.trying is None)
    assert exchange.problem.startswith("There is no checkpoint"), "an earlier stop is forgotten"
