"""The worker from outside: it answers, cancels, shares, and survives every way a run can end.

Everything here goes through a real worker process, here and in a Ray cluster; one serves the module.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.runner import WorkerClient, schedule
from labs.runner.job import Job
from tests.labs.runner.specimens import SPECIMENS, specimen_client
from tests.labs.runner.waiting import SOON, wait_for


@pytest.fixture(scope="module")
def client(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    client = specimen_client(tmp_path_factory.mktemp("results"), runner=backend)
    yield client
    client.close()


def run(client: WorkerClient, name: str, params: dict[str, object] | None = None, **options: object) -> Job:
    job = client.submit(f"q00/{name}", params, **options)  # type: ignore[arg-type]
    assert job.wait(SOON), f"{name} did not end"
    return job


def started(client: WorkerClient, name: str, params: dict[str, object] | None = None) -> Job:
    job = client.submit(f"q00/{name}", params)
    wait_for(lambda: job.partials or not job.active)
    assert job.active, job.error
    return job


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def test_a_job_queued_while_loading_is_done_later(client: WorkerClient) -> None:
    job = run(client, "wait", {"seconds": 0.1, "tag": 5})
    assert (job.state, job.error, job.progress) == ("done", "", 1.0)
    assert job.result is not None and job.result["tag"] == 5 and job.result["steps"].dtype == "float32"
    assert [partial["step"] for partial in job.partials] == list(range(len(job.partials))) != []
    assert 0.1 <= job.seconds < SOON and job.device == "cpu" and "torch" in job.versions
    status = client.status()
    assert (status.state, status.device, status.model_name) == ("ready", "cpu", "random:byte-128")


def test_this_process_never_imports_torch() -> None:
    code = (
        "import sys; from labs.runner import WorkerClient; from labs.contract.registry import Registry; "
        "[e.params() for e in Registry.discover()]; print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_the_worker_is_modest(client: WorkerClient) -> None:
    result = run(client, "whoami").result
    assert result is not None
    assert result["nice"] == min(os.nice(0) + 10, 19)
    assert result["threads"] == max(1, (os.cpu_count() or 2) - 1)


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("wait", {"seconds": -1}, "seconds must be at least 0, not -1."),
        ("wait", {"second": 1}, "Unknown setting 'second'; did you mean 'seconds'?"),
        ("wiat", {}, "There is no experiment 'q00/wiat'; did you mean 'q00/wait'?"),
    ],
)
def test_bad_input_is_a_failed_job_with_one_sentence(
    client: WorkerClient, name: str, params: dict[str, object], sentence: str
) -> None:
    job = client.submit(f"q00/{name}", params)
    assert (job.state, job.error) == ("failed", sentence)


def test_a_missing_device_is_one_sentence(client: WorkerClient) -> None:
    assert (
        run(client, "wait", device="cuda").error
        == "This machine computes on cpu; cuda is not available here."
    )


def test_printing_much_does_not_block(client: WorkerClient) -> None:
    assert run(client, "noisy").state == "done"


def test_cancel_of_a_running_job_frees_the_worker(
    client: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "STOP_SECONDS", SOON)  # a kill would be seen as another process
    pid = run(client, "whoami").result["pid"]  # type: ignore[index]
    job = started(client, "wait", {"seconds": 600.0})
    job.cancel()
    job.cancel()
    assert job.state == "cancelled" and job.error == ""
    assert run(client, "whoami").result["pid"] == pid  # type: ignore[index]


def test_cancel_of_a_queued_job(client: WorkerClient) -> None:
    front = started(client, "wait", {"seconds": 600.0})
    queued = client.submit("q00/wait", {"seconds": 600.0, "tag": 1})
    last = client.submit("q00/wait", {"seconds": 0.0, "tag": 2})
    wait_for(lambda: sorted([queued.position, last.position]) == [1, 2])
    assert last.wait_seconds >= 0
    queued.cancel()
    wait_for(lambda: last.position == 1)
    front.cancel()
    assert last.wait(SOON) and last.state == "done" and last.position == 0
    assert queued.state == "cancelled" and queued.partials == []


def test_cancel_after_the_end_changes_nothing(client: WorkerClient) -> None:
    job = run(client, "wait", {"seconds": 0.0})
    job.cancel()
    assert job.state == "done"


def test_equal_jobs_share_a_run_and_one_may_leave(client: WorkerClient) -> None:
    first = started(client, "wait", {"seconds": 600.0, "tag": 7, "shown": 1})
    late = client.submit("q00/wait", {"seconds": 600.0, "tag": 7, "shown": 2})
    wait_for(lambda: late.state == "running")
    assert late.partials[: len(first.partials)] == first.partials != []
    equal = [client.submit("q00/wait", {"seconds": 0.1, "tag": 7, "shown": n}) for n in (1, 2)]
    different = client.submit("q00/wait", {"seconds": 0.1, "tag": 8})
    wait_for(lambda: [job.position for job in (*equal, different)] == [1, 1, 2])
    first.cancel()
    before = len(late.partials)
    wait_for(lambda: len(late.partials) > before)
    late.cancel()
    assert all(job.wait(SOON) and job.state == "done" for job in (*equal, different))
    assert equal[0].result is equal[1].result and equal[0].partials == equal[1].partials != []
    assert different.result["tag"] == 8  # type: ignore[index]


def test_twenty_threads_may_submit_at_once(client: WorkerClient) -> None:
    jobs: list[Job] = []
    threads = [
        threading.Thread(
            target=lambda n=n: jobs.append(client.submit("q00/wait", {"seconds": 0.0, "tag": 100 + n % 10}))
        )
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(job.wait(SOON) and job.state == "done" for job in jobs) and len(jobs) == 20


def test_results_are_kept_and_say_so(client: WorkerClient) -> None:
    first = run(client, "kept", {"seconds": 0.0, "tag": 3})
    again = run(client, "kept", {"seconds": 0.0, "tag": 3, "shown": 4})
    assert (first.cached, again.cached) == (False, True)
    assert again.measured_at == first.measured_at and again.seconds == first.seconds
    assert again.result["pid"] == first.result["pid"]  # type: ignore[index]
    assert not run(client, "kept", {"seconds": 0.0, "tag": 4}).cached


def test_a_kept_result_is_measured_again_when_asked_for_and_replaced(client: WorkerClient) -> None:
    first = run(client, "kept", {"seconds": 0.0, "tag": 5})
    fresh = run(client, "kept", {"seconds": 0.0, "tag": 5}, fresh=True)
    assert not fresh.cached and fresh.seconds != first.seconds
    kept = run(client, "kept", {"seconds": 0.0, "tag": 5})
    assert kept.cached and kept.seconds == fresh.seconds


def test_what_is_there_is_found_without_a_new_run(client: WorkerClient) -> None:
    kept = SPECIMENS.find("q00/kept")
    assert client.find(kept.id, kept.params.from_dict({"seconds": 0.0, "tag": 6})) is None
    first = run(client, "kept", {"seconds": 0.0, "tag": 6})
    found = client.find(kept.id, kept.params.from_dict({"seconds": 0.0, "tag": 6}))
    assert found is not None and found.wait(SOON) and found.cached and found.seconds == first.seconds
    long = kept.params.from_dict({"seconds": 600.0, "tag": 7})
    under_way = started(client, "kept", long.to_dict())
    found = client.find(kept.id, long)
    assert found is not None
    wait_for(lambda: found.partials)
    under_way.cancel()
    assert found.active, "the run goes on for whoever came back"
    found.cancel()


@pytest.mark.parametrize(
    ("name", "words", "key"),
    [
        ("crash", "stopped unexpectedly", "failure.signal"),
        ("out_of_memory", "ran out of memory", "failure.memory"),
    ],
)
def test_after_a_spoilt_worker_a_fresh_one_serves(
    client: WorkerClient, name: str, words: str, key: str
) -> None:
    pid = run(client, "whoami").result["pid"]  # type: ignore[index]
    job = run(client, name)
    assert job.state == "failed" and words in job.error and job.error.endswith(".")
    assert job.error.key == key  # type: ignore[attr-defined]
    assert run(client, "whoami").result["pid"] != pid  # type: ignore[index]


def test_a_bug_costs_its_own_run_only(client: WorkerClient) -> None:
    pid = run(client, "whoami").result["pid"]  # type: ignore[index]
    job = run(client, "bug")
    assert job.state == "failed" and "KeyError" in job.error and "\n" not in job.error
    assert run(client, "whoami").result["pid"] == pid  # type: ignore[index]


def test_kill_of_the_worker_fails_the_run_and_not_the_queue(client: WorkerClient) -> None:
    run(client, "whoami")
    job = started(client, "hang")
    behind = client.submit("q00/wait", {"seconds": 0.0, "tag": 55})
    os.kill(job.partials[0]["pid"], signal.SIGKILL)
    assert job.wait(SOON) and job.state == "failed" and "killed" in job.error
    assert behind.wait(SOON) and behind.state == "done"


@pytest.mark.parametrize("name", ["hang", "hang_in_c"])
def test_a_hang_has_its_time_to_stop_and_is_killed_then(
    client: WorkerClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "STOP_SECONDS", 0.5)
    job = started(client, name)
    pid = job.partials[0]["pid"]
    began = time.monotonic()
    job.cancel()
    assert job.state == "cancelled"
    wait_for(lambda: not alive(pid))
    assert time.monotonic() - began >= 0.5
    assert run(client, "whoami").state == "done"


def test_close_leaves_no_process(backend: str, tmp_path: Path) -> None:
    client = specimen_client(tmp_path, runner=backend)
    job = started(client, "hang")
    queued = client.submit("q00/wait")
    client.close()
    assert job.state == queued.state == "cancelled" and job.error
    wait_for(lambda: not alive(job.partials[0]["pid"]))
    assert client.submit("q00/wait").state == "cancelled"
    client.close()
