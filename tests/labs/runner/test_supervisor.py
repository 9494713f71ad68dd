"""The supervisor with played workers: a GPU beside a CPU, and workers that never get ready."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from labs.runner import lane as lanes
from labs.runner.client import WorkerClient
from labs.runner.job import WorkerStatus
from tests.labs.runner.specimens import specimen_client
from tests.labs.runner.waiting import SOON, wait_for


class PlayedWorker:
    """Stands for a WorkerProcess; answers in the thread that sends."""

    started: ClassVar[list[PlayedWorker]] = []
    fails = False

    def __init__(self, config: dict[str, Any], on_event: Any) -> None:
        self.config, self._tell, self.killed = config, on_event, False
        self.runs: list[dict[str, Any]] = []
        self.started.append(self)
        device = "cpu" if config["device"] == "cpu" else "cuda"
        about = {"device": device, "device_name": device.upper(), "dtype": "fp32", "versions": {"torch": "2"}}
        if self.fails:
            self.say(event="exit", code=1)
            return
        self.say(event="status", state="loading", **about)
        self.say(event="status", state="ready", model_name="m", **about)

    def say(self, **message: Any) -> None:
        self._tell(self, message)

    def send(self, message: dict[str, Any]) -> None:
        if message["do"] == "run":
            self.runs.append(message)
            self.say(event="started", run=message["run"])
            result = {"device": self.config["device"]}
            self.say(
                event="ended",
                run=message["run"],
                state="done",
                result=result,
                error="",
                seconds=1.0,
                fatal=False,
            )

    def kill(self) -> None:
        self.killed = True

    def join(self, timeout: float) -> None:
        """Gone already."""


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[WorkerClient]:
    monkeypatch.setattr(lanes, "WorkerProcess", PlayedWorker)
    monkeypatch.setattr(PlayedWorker, "started", [])
    client = specimen_client(tmp_path, "auto")
    yield client
    client.close()
    assert all(lane.process.killed for lane in client._supervisor._pools.lanes.values())


def test_a_gpu_host_has_a_cpu_worker_too(client: WorkerClient) -> None:
    early = client.submit("q00/wait", {"tag": 1}, device="cpu")
    own, cpu = client.submit("q00/wait", {"tag": 1}), client.submit("q00/wait", {"tag": 2}, device="cpu")
    assert all(job.wait(SOON) and job.state == "done" for job in (early, own, cpu))
    assert [job.result["device"] for job in (early, own, cpu)] == ["cpu", "auto", "cpu"]  # type: ignore[index]
    assert (own.device, cpu.device) == ("cuda", "cpu")
    assert (client.status().device, client.status("cpu").device) == ("cuda", "cpu")
    assert client.submit("q00/wait", {"tag": 3}, device="mps").wait(SOON)


def test_three_failed_starts_are_given_up_with_a_sentence_and_tried_again_later(
    client: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: client.status().state == "ready")
    monkeypatch.setattr(PlayedWorker, "fails", True)
    before = len(PlayedWorker.started)
    PlayedWorker.started[0].say(event="exit", code=-9)
    wait_for(lambda: client.status().state == "dead")
    assert len(PlayedWorker.started) - before == 3
    job = client.submit("q00/wait")
    assert job.wait(SOON) and (job.state, job.error) == ("failed", lanes.CANNOT_START)
    monkeypatch.setattr(PlayedWorker, "fails", False)
    monkeypatch.setattr(lanes, "RETRY_SECONDS", 0.0)
    job = client.submit("q00/wait")
    assert job.wait(SOON) and job.state == "done"


def test_a_worker_that_says_why_it_cannot_start_is_not_started_again(client: WorkerClient) -> None:
    wait_for(lambda: len(PlayedWorker.started) == 2 and client.status("cpu").state == "ready")
    own = PlayedWorker.started[0]
    own.say(event="status", state="dead", error="The worker cannot start: no torch.")
    own.say(event="exit", code=1)
    wait_for(lambda: client.status().state == "dead")
    job = client.submit("q00/wait")
    assert job.wait(SOON) and job.error == "The worker cannot start: no torch."
    assert len(PlayedWorker.started) == 2
    assert client.submit("q00/wait", device="cpu").wait(SOON), "the other lane goes on"


def test_a_worker_that_hangs_while_loading_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "WorkerProcess", PlayedWorker)
    monkeypatch.setattr(PlayedWorker, "started", [])
    lane = lanes.Lane("own", {"device": "cpu"}, lambda *event: None, now=0.0)
    assert lane.status == WorkerStatus(state="starting")
    lane.tick(lanes.LOAD_SECONDS - 1)
    assert not PlayedWorker.started[0].killed
    lane.tick(lanes.LOAD_SECONDS + 1)
    assert PlayedWorker.started[0].killed


class WaitingWorker(PlayedWorker):
    """Gets ready when it is told, and waits then for a device that another process holds."""

    def __init__(self, config: dict[str, Any], on_event: Any) -> None:
        self.config, self._tell, self.killed = config, on_event, False
        self.started.append(self)
        self.about = {"device": "cpu", "device_name": "CPU", "dtype": "fp32", "versions": {"torch": "2"}}
        self.say(event="status", state="loading", **self.about)

    def send(self, message: dict[str, Any]) -> None:
        if message["do"] == "run":
            self.say(event="progress", run=message["run"], fraction=0.0, doing=("waiting", {}))


def test_a_job_that_waits_for_its_device_is_in_the_queue_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(lanes, "WorkerProcess", WaitingWorker)
    monkeypatch.setattr(PlayedWorker, "started", [])
    client = specimen_client(tmp_path)
    job = client.submit("q00/wait")
    wait_for(lambda: job.position == 1)
    [worker] = PlayedWorker.started
    worker.say(event="status", state="ready", model_name="m", **worker.about)  # type: ignore[attr-defined]
    wait_for(lambda: job.doing[0] == "waiting")
    wait_for(lambda: job.position == 0)
    client.close()
