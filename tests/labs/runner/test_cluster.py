"""What only a cluster has: an address, many workers, machines that go away, and Ray, which may be missing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from labs.runner import WorkerClient
from labs.runner import lane as lanes
from labs.runner.cluster import Cluster, cluster_of, connect
from labs.runner.job import Job
from minimind_core.errors import ConfigError
from tests.labs.runner.specimens import specimen_client
from tests.labs.runner.test_supervisor import PlayedWorker
from tests.labs.runner.waiting import SOON, wait_for
from tests.ray_cluster import STARTED, Head, on_ray

Start = Callable[[str], WorkerClient]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a client for a runner; closed at the end."""
    clients = []

    def start(runner: str) -> WorkerClient:
        clients.append(specimen_client(tmp_path, runner=runner))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def done(client: WorkerClient, tag: int) -> int:
    """The id of the worker's process that did a run."""
    job = client.submit("q00/wait", {"seconds": 0.0, "tag": tag})
    assert job.wait(STARTED) and job.state == "done", job.error
    return job.result["pid"]  # type: ignore[index]


def under_way(client: WorkerClient, tag: int) -> Job:
    job = client.submit("q00/wait", {"seconds": 600.0, "tag": tag})
    wait_for(lambda: job.partials or not job.active, STARTED)
    assert job.active, job.error
    return job


def test_a_setting_names_a_cluster_and_how_much_of_it() -> None:
    assert cluster_of("local") is None
    assert cluster_of("ray://head:10001") == Cluster("ray://head:10001", 1)
    assert cluster_of("ray://[::1]:10001?workers=8") == Cluster("ray://[::1]:10001", 8)


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "ray",
        "ray://head",
        "ray://head:port",
        "ray://:10001",
        "http://head:10001",
        "ray://head:10001/lab",
        "ray://head:10001?workers=0",
        "ray://head:10001?workers=257",
        "ray://head:10001?workers=many",
        "ray://head:10001?gpus=4",
        "ray://[head:10001",
    ],
)
def test_any_other_setting_is_refused_in_a_sentence(setting: str, start: Start) -> None:
    with pytest.raises(ConfigError, match=r"^The runner '.*' is not known; write local, or ray://host"):
        start(setting)


def test_a_connection_that_was_lost_is_let_go_of_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray counts it until it is told otherwise, and refuses a second one."""

    class Ray:
        counted = answers = 0

        def is_initialized(self) -> bool:
            return False

        def shutdown(self) -> None:
            self.counted = 0

        def init(self, _address: str) -> None:
            if self.counted:
                raise ValueError("The client has already connected to the cluster with allow_multiple=True.")
            self.counted, self.answers = 1, self.answers + 1
            if self.answers < 2:
                raise ConnectionError("lost while it was made")

    ray = Ray()
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    assert connect("ray://127.0.0.1:1") is ray and ray.answers == 2
    assert connect("ray://127.0.0.1:1") is ray and ray.answers == 3


def test_without_ray_a_run_says_what_to_install(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    client = start("ray://127.0.0.1:1")
    job = client.submit("q00/wait")
    assert job.wait(SOON) and job.state == "failed"
    assert job.error.endswith("Ray is not installed here; run pip install -r requirements-cluster.txt.")
    assert job.error.key == "cluster.no_ray" and client.status().state == "dead"  # type: ignore[attr-defined]


class Played(PlayedWorker):
    """Stands for a ClusterWorker."""

    def __init__(self, address: str, config: dict[str, Any], on_event: Any) -> None:
        assert address == "ray://head:10001"
        super().__init__(config, on_event)

    def refuse(self) -> None:
        self.say(event="status", state="dead", error=f"Worker {self.started.index(self)} cannot start.")
        self.say(event="exit", code=None)


def test_the_queue_is_served_as_long_as_one_worker_is_left(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "ClusterWorker", Played)
    monkeypatch.setattr(Played, "started", [])
    client = start("ray://head:10001?workers=3")
    assert [worker.config["device"] for worker in Played.started] == ["cpu"] * 3
    for left in (2, 1, 0):
        jobs = [client.submit("q00/wait", {"tag": 10 * left + tag}) for tag in range(4)]
        assert all(job.wait(SOON) and job.state == "done" for job in jobs), [job.error for job in jobs]
        Played.started[left].refuse()  # type: ignore[attr-defined]
        wait_for(lambda left=left: sum(lane.dead for lane in client._supervisor._pools.of("own")) == 3 - left)
    job = client.submit("q00/wait", {"tag": 99})
    assert job.wait(SOON) and job.state == "failed" and job.error.endswith("cannot start.")


@on_ray
def test_a_run_somewhere_in_a_cluster_is_as_one_here(start: Start, head: Head) -> None:
    client = start(head.address)
    job = client.submit("q00/wait", {"seconds": 0.2, "tag": 5})
    assert job.wait(STARTED) and job.state == "done", job.error
    assert job.result is not None and job.result["tag"] == 5 and job.result["steps"].dtype == "float32"
    assert [partial["step"] for partial in job.partials] == list(range(len(job.partials))) != []
    assert (job.device, job.dtype, job.progress) == ("cpu", "fp32", 1.0) and "torch" in job.versions
    assert client.status().device_name == job.device_name != ""
    relay = psutil.Process(job.result["pid"]).parent()
    assert relay is not None and relay.cmdline()[0].startswith("ray::")


@on_ray
def test_workers_share_one_queue_and_never_measure_on_one_device_at_once(start: Start, head: Head) -> None:
    client = start(f"{head.address}?workers=2")
    first = under_way(client, 1)
    second = client.submit("q00/wait", {"seconds": 0.0, "tag": 2})
    wait_for(lambda: second.doing[0] == "waiting", STARTED)
    wait_for(lambda: second.position == 0)  # another worker has it, which waits for the device
    third = client.submit("q00/wait", {"seconds": 0.0, "tag": 3})
    wait_for(lambda: third.position == 1)
    first.cancel()
    assert all(job.wait(SOON) and job.state == "done" for job in (second, third))


@on_ray
def test_more_workers_than_places_wait_for_one_and_take_it(start: Start, head: Head) -> None:
    full = start(f"{head.address}?workers=2")
    assert {done(full, tag) for tag in range(4)}
    wait_for(lambda: all(lane.status.state == "ready" for lane in full._supervisor._pools.of("own")), STARTED)
    waiting = start(head.address)
    job = waiting.submit("q00/wait", {"seconds": 0.0, "tag": 5})
    wait_for(lambda: waiting.status().state == "starting" and job.position == 1)
    full.close()
    assert job.wait(STARTED) and job.state == "done", job.error


@on_ray
def test_a_lost_machine_fails_its_run_in_a_sentence_and_another_worker_serves(
    start: Start, head: Head
) -> None:
    client = start(head.address)
    pid = done(client, 1)
    job = under_way(client, 2)
    relay = psutil.Process(pid).parent()
    assert relay is not None
    os.kill(relay.pid, signal.SIGKILL)
    assert job.wait(SOON) and job.state == "failed" and job.error.key == "failure.lost"  # type: ignore[attr-defined]
    assert done(client, 3) != pid
    wait_for(lambda: not psutil.pid_exists(pid))


@on_ray
def test_a_cluster_that_goes_away_and_comes_back(
    start: Start, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(head.address)
    job = under_way(client, 1)
    head.stop()
    assert job.wait(STARTED) and job.state == "failed" and job.error.endswith("."), job.state
    wait_for(lambda: client.status().state == "dead", STARTED)
    head.start()
    monkeypatch.setattr("labs.runner.lane.RETRY_SECONDS", 0.0)
    assert done(client, 2)
