"""A worker without its model, the time limit, and the device lock, on one real worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labs.contract.registry import Registry
from labs.runner import WorkerClient, supervisor
from labs.runner.device_lock import hold_device
from labs.runner.store import ResultStore
from tests.labs.runner.waiting import SOON, wait_for


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


def test_without_its_model_the_worker_is_ready_and_says_what_is_missing(client: WorkerClient) -> None:
    wait_for(lambda: client.status().state == "ready")
    status = client.status()
    assert status.model_name == "" and "no-such-model" in status.error and status.error.endswith(".")
    job = client.submit("q00/whoami")
    assert job.wait(SOON) and job.state == "done"


def test_the_limit_counts_only_while_others_wait(client: WorkerClient) -> None:
    alone = client.submit("q00/wait", {"seconds": 1.2})
    assert alone.wait(SOON) and alone.state == "done"
    long = client.submit("q00/wait", {"seconds": 600.0, "tag": 1})
    wait_for(lambda: long.state == "running")
    behind = client.submit("q00/wait", {"seconds": 0.0, "tag": 2})
    assert behind.wait(SOON) and behind.state == "done"
    assert long.state == "failed" and long.error.key == "failure.limit"  # type: ignore[attr-defined]
    assert long.error.startswith("Stopped after 0.5 s because others were waiting")


HOLD = (
    "import sys, time; from labs.runner.device_lock import hold_device\n"
    "with hold_device('cpu'): print('held', flush=True); time.sleep(600)"
)


def test_two_programs_do_not_measure_at_once_and_a_dead_one_lets_go(client: WorkerClient) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        job = client.submit("q00/wait", {"seconds": 0.0, "tag": 3})
        wait_for(lambda: job.doing[0] == "waiting")
        assert job.state == "queued"
        impatient = client.submit("q00/wait", {"seconds": 0.0, "tag": 4})
        impatient.cancel()
        other.kill()
    assert job.wait(SOON) and job.state == "done" and impatient.state == "cancelled"


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
