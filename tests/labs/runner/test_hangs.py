"""Workers that really hang: stopped while idle, and over a checkpoint that never ends."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.contract.registry import Registry
from labs.runner import WorkerClient, schedule
from labs.runner.exchange import STOPPED, RunnerExchange, RunnerSettings
from labs.runner.store import ResultStore
from tests.labs.runner.waiting import SOON, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs SIGSTOP and /proc")
CLIENTS: list[WorkerClient] = []
OLD = RunnerSettings("cpu", "fp32", "random:byte-128")


@pytest.fixture(scope="module")
def exchange(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerExchange]:
    def start(settings: RunnerSettings, **_options: float) -> WorkerClient:
        store = ResultStore(tmp_path_factory.mktemp("results"))
        client = WorkerClient.start(
            settings.device,
            model=settings.model,
            registry=Registry(["tests.labs.specimens"]),
            store=store,
            runner=backend,
        )
        CLIENTS.append(client)
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


def endless(path: Path) -> None:
    """A weight file whose pickle has a key that takes for ever to hash: each tuple twice in the next."""
    nested: tuple[object, ...] = ()
    for _ in range(64):
        nested = (nested, nested)
    pickled = pickle.dumps([nested], protocol=2)[:-2]  # without what appends and ends
    key = pickled[pickled.index(b"]") + 1 :]
    key = key[key.index(b")") :]
    content = b"\x80\x02}" + key + b"K\x01s."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", content)
        archive.writestr("x/version", "3\n")
        archive.writestr("x/byteorder", "little")


def test_a_try_of_a_checkpoint_that_hangs_can_be_stopped(exchange: RunnerExchange, tmp_path: Path) -> None:
    endless(tmp_path / "endless.pth")
    before = pid(exchange, 10)
    settings = RunnerSettings("cpu", "fp32", str(tmp_path / "endless.pth"))
    assert exchange.change(settings, lambda _settings: pytest.fail("kept"))
    assert pid(exchange, 11) == before, "the labs go on meanwhile"
    wait_for(lambda: CLIENTS[-1].status().device)  # torch is there, only the checkpoint is not
    time.sleep(0.2)  # a quick end would be seen
    assert exchange.trying == settings
    exchange.stop()
    wait_for(lambda: exchange.trying is None)
    assert exchange.problem == STOPPED and exchange.settings == OLD
    assert pid(exchange, 12) == before
    assert exchange.change(RunnerSettings("cpu", "fp32", "nowhere"), lambda _settings: "")
    wait_for(lambda: exchange.trying is None)
    assert exchange.problem.startswith("There is no checkpoint"), "an earlier stop is forgotten"
