"""A crowd on one runner while runs exhaust the memory, hang and crash: all are answered, and it goes on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.runner import WorkerClient, supervisor
from labs.runner.job import Job
from tests.labs.runner.specimens import specimen_client
from tests.labs.runner.waiting import SOON

CALLERS = 20
MISBEHAVE = ("out_of_memory", "hang_in_c", "crash", "bug")
LIMIT_SECONDS = 5.0
"""Fifty times what a harmless run needs here, so that only the hanging one can meet it."""


@pytest.fixture
def client(backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WorkerClient]:
    monkeypatch.setattr(supervisor, "LIMITS", {"cpu": LIMIT_SECONDS, "cuda": LIMIT_SECONDS})
    client = specimen_client(tmp_path, runner=backend)
    yield client
    client.close()


def test_a_crowd_is_answered_while_runs_misbehave(client: WorkerClient) -> None:
    jobs: list[tuple[str, Job]] = []
    ready = threading.Barrier(CALLERS)

    def call(number: int) -> None:
        name = MISBEHAVE[number] if number < len(MISBEHAVE) else "wait"
        ready.wait()
        settings = {"seconds": 0.1, "tag": number} if name == "wait" else {}
        jobs.append((name, client.submit(f"q00/{name}", settings)))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for name, job in jobs:
        if name != "hang_in_c":
            assert job.wait(SOON), f"{name} is {job.state}"
    hanging = next(job for name, job in jobs if name == "hang_in_c")
    behind = client.submit("q00/wait", {"seconds": 0.0, "tag": 99})
    assert hanging.wait(SOON) and behind.wait(SOON) and behind.state == "done"
    assert {name: job.error.key for name, job in jobs if name != "wait"} == {  # type: ignore[attr-defined]
        "out_of_memory": "failure.memory",
        "hang_in_c": "failure.limit",
        "crash": "failure.signal",
        "bug": "failure.bug",
    }
    assert Counter(job.state for name, job in jobs if name == "wait") == {"done": CALLERS - len(MISBEHAVE)}
