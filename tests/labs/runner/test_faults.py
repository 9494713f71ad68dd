"""Whatever raises or talks nonsense on a job's way ends that job with a sentence; the next one is served.

With played workers; those that really hang are in `test_hangs.py`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labs.contract.registry import Registry
from labs.runner import lane as lanes
from labs.runner import supervisor
from labs.runner.client import WorkerClient
from labs.runner.job import Job
from labs.runner.lane import Lane
from labs.runner.process import WorkerProcess
from labs.runner.store import ResultStore
from tests.labs.runner.specimens import SPECIMENS
from tests.labs.runner.test_supervisor import PlayedWorker
from tests.labs.runner.waiting import SOON, wait_for


class Odd(PlayedWorker):
    """Does what `fault` says with runs whose tag is 13, or says it; others are done."""

    fault: Callable[[Odd, dict[str, Any]], None]

    def send(self, message: dict[str, Any]) -> None:
        if message.get("params", {}).get("tag") == 13:
            type(self).fault(self, message)
        else:
            super().send(message)

    def kill(self) -> None:
        if not self.killed:
            super().kill()
            self.say(event="exit", code=-9)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WorkerClient]:
    monkeypatch.setattr(lanes, "WorkerProcess", Odd)
    client = WorkerClient.start("cpu", registry=SPECIMENS, store=ResultStore(tmp_path))
    yield client
    client.close()


def served(client: WorkerClient, tag: int = 1) -> None:
    job = client.submit("q00/wait", {"tag": tag})
    assert job.wait(SOON) and job.state == "done", job.error


def refused(client: WorkerClient) -> Job:
    job = client.submit("q00/wait", {"tag": 13})
    assert job.wait(SOON) and job.state == "failed" and job.error.endswith("."), job.state
    return job


def raising(_worker: Odd, _message: dict[str, Any]) -> None:
    raise ValueError("this cannot be sent.")


def test_what_cannot_be_sent_ends_its_job(client: WorkerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "fault", raising, raising=False)
    behind = client.submit("q00/wait", {"tag": 2})
    assert "this cannot be sent" in refused(client).error
    assert behind.wait(SOON) and behind.state == "done"
    served(client)


class Unreadable(ResultStore):
    """A store whose files raise what nobody thought of."""

    def find(self, key: str) -> None:
        raise RecursionError("too deep.")


def test_a_store_that_raises_ends_its_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lanes, "WorkerProcess", PlayedWorker)
    client = WorkerClient.start("cpu", registry=SPECIMENS, store=Unreadable(tmp_path))
    early = client.submit("q00/kept", {"tag": 1})
    wait_for(lambda: client.status().state == "ready")
    late = client.submit("q00/kept", {"tag": 2})
    for job in (early, late):
        assert job.wait(SOON) and job.state == "failed" and "too deep" in job.error
    served(client)
    client.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
EVENTS = ("status", "started", "progress", "partial", "alive", "ended", "exit", "nonsense")
FIELDS = ("run", "state", "fraction", "doing", "partial", "error", "seconds", "result", "fatal", "code")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    event=st.sampled_from(EVENTS), fields=st.dictionaries(st.sampled_from(FIELDS), JSON), keep=st.booleans()
)
@example(event="ended", fields={"fatal": True}, keep=False)
def test_whatever_a_worker_says_the_next_job_is_served(
    tmp_path_factory: pytest.TempPathFactory, event: str, fields: dict[str, Any], keep: bool
) -> None:
    def fault(worker: Odd, message: dict[str, Any]) -> None:
        said = {"event": event, **({"run": message["run"]} if keep else {}), **fields}
        worker.say(**said)
        worker.kill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "WorkerProcess", Odd)
        patch.setattr(lanes, "MAX_FAILED_STARTS", 10**9)
        patch.setattr(Odd, "fault", fault, raising=False)
        store = ResultStore(tmp_path_factory.mktemp("results"))
        client = WorkerClient.start("cpu", registry=SPECIMENS, store=store)
        try:
            odd = client.submit("q00/wait", {"tag": 13})
            assert odd.wait(SOON), odd.state
            served(client)
        finally:
            client.close()


def test_no_process_to_be_had_is_said_and_tried_again(
    client: WorkerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_fork(*_arguments: object, **_options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    served(client)
    with monkeypatch.context() as patch:
        patch.setattr(lanes, "WorkerProcess", WorkerProcess)
        patch.setattr(subprocess, "Popen", no_fork)
        client._supervisor._pools.lanes["own"].process.kill()
        wait_for(lambda: client.status().state == "dead")
        job = client.submit("q00/wait", {"tag": 5})
        assert job.wait(SOON) and "Resource temporarily unavailable" in job.error
        fresh = WorkerClient.start("cpu", registry=SPECIMENS)
        for device in ("auto", "cpu"):
            job = fresh.submit("q00/wait", {"tag": 6}, device=device)
            assert job.wait(SOON) and "Resource temporarily unavailable" in job.error
        fresh.close()
    monkeypatch.setattr(lanes, "RETRY_SECONDS", 0.0)
    served(client, 7)


def test_a_checkpoint_that_never_loads_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "WorkerProcess", PlayedWorker)
    monkeypatch.setattr(PlayedWorker, "started", [])
    lane = Lane("own", {"device": "cpu", "model": "slow.pth"}, lambda *_event: None, now=0.0)
    lane.update({"event": "status", "state": "loading", "device": "cpu"}, 0.0)
    lane.tick(lanes.LOAD_SECONDS + 1)
    assert PlayedWorker.started[0].killed
    lane.exited(lanes.LOAD_SECONDS + 2)
    assert lane.dead and len(PlayedWorker.started) == 1
    assert lane.status.error == "The checkpoint slow.pth did not load within 180 s; choose another one."
    lane.revive(2 * lanes.LOAD_SECONDS)
    assert not lane.dead and len(PlayedWorker.started) == 2
    lane.exited(2 * lanes.LOAD_SECONDS + 1)
    assert not lane.dead, "a crash while loading is no hang"


@pytest.mark.parametrize(("prompt", "place"), [("half \ud83d", 6), ("\udc00", 1)])
def test_half_a_character_is_refused_before_it_is_queued(prompt: str, place: int) -> None:
    client = WorkerClient(None, Registry.discover(), "minimind-26m")  # type: ignore[arg-type]
    for experiment in ("playground", "q13/next_token", "q13/continuation", "q13/wall"):
        job = client.submit(experiment, {"prompt": prompt})
        assert (job.state, job.error) == (
            "failed",
            f"prompt holds half a character at place {place}; delete it or write it again.",
        )


def test_a_model_whose_name_is_no_unicode_comes_through(client: WorkerClient) -> None:
    job = client.submit("q00/wait", {"tag": 3}, model="/x\udcff\x00y")
    assert job.wait(SOON) and job.state == "done"


def test_the_supervisor_outlives_its_own_error(client: WorkerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(supervisor.Supervisor, "_update_places", raising)
        served(client)
    served(client, 2)
