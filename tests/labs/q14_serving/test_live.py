"""The real service as the lab starts it: it answers, breaks as it was told to, and always ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from labs.contract.registry import ROOT
from labs.q14_serving.live_breaks import BREAKS, Setup
from labs.q14_serving.live_service import Process, running
from labs.runner.job import Job
from minimind_core.errors import ConfigError
from tests.labs.one_lab import REGISTRY, OneLab, shown
from tests.labs.runner.waiting import wait_for
from tests.minimind_core.checkpoint_samples import TINY, save_tiny

NOBODY = "http://127.0.0.1:1"
FRONT = ("--backend", NOBODY)
"""A service that needs no model to listen."""
PARENT = """
import time
from labs.q14_serving.live_service import Process
process = Process(["--backend", "http://127.0.0.1:1"])
process.wait(lambda: None)
process.stop()
print(process._process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> OneLab:
    folder = tmp_path_factory.mktemp("live") / "tiny"
    save_tiny(folder, config=TINY.replace(max_length=512))
    return OneLab("q14", model=str(folder), once=True)


@pytest.fixture
def none_left() -> Iterator[None]:
    """Fails where a test leaves a service behind."""
    yield
    wait_for(lambda: not services())


def services() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if "serving" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_run_loads_the_real_service_and_ends_it(tiny: OneLab, none_left: None) -> None:
    job = tiny.done("live", seconds=2, rate=4.0, tokens=4, goal=10000.0)
    assert job.partials[0]["plan"]["rate"] == 4.0 and len(job.partials) > 2, "it tells while it runs"
    result = tiny.result("live", seconds=2, rate=4.0, tokens=4, goal=10000.0)
    run = result["services"]["sound"]
    assert run["outcome"]["answered"] == run["planned"] == len(run["requests"]) > 0
    assert result["in_time_percent"] == 100 and run["capacity"] > 0 and run["looks"]
    assert shown("q14/live", result).rows[0]["Refused"] == 0


def test_a_run_cancelled_while_its_service_starts_leaves_no_process(tiny: OneLab, none_left: None) -> None:
    cancelled(tiny, lambda _job: bool(services()))


def test_a_run_cancelled_under_load_leaves_no_process(tiny: OneLab, none_left: None) -> None:
    cancelled(tiny, lambda job: len(job.partials) > 1)


def cancelled(lab: OneLab, now: Callable[[Job], bool]) -> None:
    """Run, and cancel from another thread once `now` holds; it would last much longer than the test."""
    jobs: list[Job] = []

    def cancel() -> None:
        wait_for(lambda: bool(jobs) and now(jobs[0]))
        jobs[0].cancel()

    canceller = threading.Thread(target=cancel)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab.client, "_watch", jobs.append)
        canceller.start()
        job = lab.client.submit("q14/live", {"seconds": 60, "rate": 4.0, "tokens": 4})
    canceller.join()
    assert job.state == "cancelled"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a kernel that tells of a closed input")
def test_kill_9_of_the_run_ends_its_service_even_a_held_one() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()  # type: ignore[union-attr]
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_killed_service_starts_again_on_its_port(none_left: None) -> None:
    process = Process(FRONT)
    try:
        process.wait(lambda: None)
        address = process.address
        process.kill()
        process.start()
        process.wait(lambda: None)
        assert process.address == address
    finally:
        process.kill()


def test_a_service_that_does_not_start_says_why(none_left: None) -> None:
    wrong = ("--backend", "ftp://x")
    with (
        pytest.raises(ConfigError, match="The service did not start: A backend is"),
        running(Setup(1, 1), wrong, lambda: None),
    ):
        raise AssertionError("it started")


@pytest.mark.slow
@pytest.mark.parametrize("fault", BREAKS)
def test_each_break_is_one_of_the_real_service(tiny: OneLab, none_left: None, fault: str) -> None:
    settings: dict[str, Any] = {"fault": fault, "seconds": 4, "tokens": 8, "slots": 2}
    result = tiny.result("live", **settings)
    sound, broken = result["services"]["sound"], result["services"]["broken"]
    assert sound["rate"] == broken["rate"] and sound["seconds"] == broken["seconds"]
    assert len(shown("q14/live", result).rows) == 2
    running_, happened = [look["running"] for look in broken["looks"]], broken["happened"]
    if fault == "no_batching":
        assert max(count or 0 for count in running_) <= 1 and broken["slots"] == 1
    elif fault == "unbounded_queue":
        assert broken["outcome"]["refused"] == 0 and broken["queue"] is None
        assert sound["outcome"]["longest_queue"] <= 2 and sound["outcome"]["refused"] > 0
        assert broken["outcome"]["longest_queue"] > 2
    elif fault == "closed_loop":
        assert broken["outcome"]["sent"] < broken["planned"] == sound["outcome"]["sent"]
        assert broken["outcome"]["due_p95"] > broken["outcome"]["p95"]
    elif fault == "breaker_off":
        assert {look["breaker"] for look in broken["looks"]} == {"closed"}
        assert happened[0]["what"] == sound["happened"][0]["what"] == "hang"
        assert sound["outcome"]["degraded"] > 0 == broken["outcome"]["degraded"]
        assert sound["outcome"]["in_time_percent"] > broken["outcome"]["in_time_percent"]
    else:
        assert happened[0]["what"] == {"slow_worker": "slow", "worker_killed": "kill"}[fault]
        assert sound["happened"] == [] and happened[-1]["what"] == "back"


def test_its_parameters_are_those_of_the_real_service() -> None:
    from serving.settings import Settings

    assert REGISTRY.find("q14/live").params().slots <= Settings().num_slots
