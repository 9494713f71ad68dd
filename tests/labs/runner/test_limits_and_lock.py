"""A worker without its model, the time limit, and the device lock, on one real worker."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labs.contract.registry import Registry
from labs.runner import WorkerClient, supervisor
from labs.runner.device_lock import hold_device
from labs.runner.store import ResultStore


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(supervisor.LIMITS, "cpu", 0.5)
        client = WorkerClient.start(
            "cpu",
            model="no-such-model",
            registry=Registry(["tests.labs.specimens"]),
            store=ResultStore(tmp_path_factory.mktemp("results")),
        )
        yield client
        client.close()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def test_without_its_model_the_worker_is_ready_and_says_what_is_missing(client: WorkerClient) -> None:
    wait_for(lambda: client.status().state == "ready")
    status = client.status()
    assert status.model_name == "" and "no-such-model" in status.error and status.error.endswith(".")
    job = client.submit("q00/whoami")
    assert job.wait(30) and job.state == "done"


def test_the_limit_counts_only_while_others_wait(client: WorkerClient) -> None:
    alone = client.submit("q00/wait", {"seconds": 1.2})
    assert alone.wait(30) and alone.state == "done"
    long = client.submit("q00/wait", {"seconds": 30.0, "tag": 1})
    wait_for(lambda: long.state == "running")
    behind = client.submit("q00/wait", {"seconds": 0.0, "tag": 2})
    assert behind.wait(30) and behind.state == "done"
    assert (long.state, long.error_code) == ("failed", "limit")
    assert long.error.startswith("Stopped after 0.5 s because others were waiting")


HOLD = (
    "import sys, time; from labs.runner.device_lock import hold_device\n"
    "with hold_device('cpu'): print('held', flush=True); time.sleep(600)"
)


def test_two_programs_do_not_measure_at_once_and_a_dead_one_lets_go(client: WorkerClient) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        job = client.submit("q00/wait", {"seconds": 0.0, "tag": 3})
        wait_for(lambda: "waiting for it" in job.text)
        assert job.state == "queued"
        impatient = client.submit("q00/wait", {"seconds": 0.0, "tag": 4})
        impatient.cancel()
        other.kill()
    assert job.wait(30) and job.state == "done" and impatient.state == "cancelled"


def test_waiting_for_a_device_can_be_given_up(tmp_path: Path) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    def wait() -> str:
        try:
            with hold_device("cpu", folder=tmp_path, while_waiting=give_up):
                return "held"
        except KeyboardInterrupt:
            return "given up"

    with ThreadPoolExecutor() as threads:
        with hold_device("cpu", folder=tmp_path), hold_device("cuda", folder=tmp_path):
            assert threads.submit(wait).result() == "given up"
        assert threads.submit(wait).result() == "held"


def test_a_run_inside_a_run_is_an_error_and_no_endless_wait(tmp_path: Path) -> None:
    with (
        hold_device("cpu", folder=tmp_path),
        pytest.raises(RuntimeError, match="Deadlock"),
        hold_device("cpu", folder=tmp_path),
    ):
        pytest.fail("held twice")
