"""What only a GPU can do to a worker: a failed device check, its memory, a hung kernel."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.runner import WorkerClient
from labs.runner.job import Job
from tests.labs.runner.specimens import specimen_client
from tests.labs.runner.waiting import SOON, wait_for

pytestmark = pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="no NVIDIA GPU")


@pytest.fixture(scope="module")
def client(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    client = specimen_client(tmp_path_factory.mktemp("results"), "cuda", runner=backend)
    yield client
    client.close()


def run(client: WorkerClient, name: str, device: str = "auto") -> Job:
    job = client.submit(f"q00/{name}", device=device)
    assert job.wait(SOON), f"{name} did not end"
    return job


def pid(client: WorkerClient, device: str = "auto") -> int:
    job = run(client, "whoami", device)
    assert job.result is not None, job.error
    assert job.result["device"] == ("cpu" if device == "cpu" else "cuda")
    return job.result["pid"]


@pytest.mark.parametrize(
    ("name", "key"), [("device_assert", "failure.device"), ("out_of_memory", "failure.memory")]
)
def test_a_spoilt_gpu_process_is_replaced_and_the_cpu_worker_goes_on(
    client: WorkerClient, name: str, key: str
) -> None:
    own, cpu = pid(client), pid(client, "cpu")
    job = run(client, name)
    assert job.state == "failed" and job.error.key == key, job.error  # type: ignore[attr-defined]
    assert pid(client) != own and pid(client, "cpu") == cpu


def test_cancel_of_a_hung_kernel(client: WorkerClient) -> None:
    pid(client)
    job = client.submit("q00/hang_on_device")
    wait_for(lambda: job.partials or not job.active)
    assert job.active, job.error
    own = job.partials[0]["pid"]
    began = time.monotonic()
    job.cancel()
    wait_for(lambda: not Path(f"/proc/{own}").exists())
    print(f"the worker was gone {time.monotonic() - began:.1f} s after the cancel")
    assert pid(client) != own
