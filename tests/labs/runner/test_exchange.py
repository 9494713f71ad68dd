"""Other settings for the runner of a server: they take over when they work, and change nothing when not.

Through real workers, which load their models as those of the app do.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.runner.client import WorkerClient
from labs.runner.exchange import EXCHANGED, RunnerExchange, RunnerSettings
from tests.labs.runner.specimens import specimen_client
from tests.labs.runner.waiting import SOON, wait_for

OLD = RunnerSettings("cpu", "fp32", "random:byte-128")


@pytest.fixture
def exchange(backend: str, tmp_path) -> Iterator[RunnerExchange]:
    def start(settings: RunnerSettings, **options: float) -> WorkerClient:
        chosen = {"dtype": settings.dtype, "model": settings.model, "runner": backend}
        return specimen_client(tmp_path, settings.device, **chosen, **options)

    exchange = RunnerExchange(OLD, start)
    yield exchange
    exchange.client.close()


def test_settings_that_work_take_over(exchange: RunnerExchange) -> None:
    old = exchange.client
    wait_for(lambda: old.status().state == "ready")
    assert old.status().found["cpu"][0] == "fp32"
    running = old.submit("q00/wait", {"seconds": 600.0})
    queued = old.submit("q00/wait", {"seconds": 600.0, "tag": 1})
    wait_for(lambda: running.partials and old.num_jobs() == 2)  # a run may speak before the next is queued
    kept: list[RunnerSettings] = []
    new = RunnerSettings("cpu", "bf16", "random:byte-128")
    assert exchange.change(new, lambda settings: kept.append(settings) or "")
    assert not exchange.change(OLD, lambda _settings: ""), "one at a time"
    assert running.active, "nobody waits while they are being tried"
    wait_for(lambda: exchange.trying is None)
    assert (exchange.problem, exchange.settings, kept) == ("", new, [new])
    assert [(job.state, job.error) for job in (running, queued)] == [("cancelled", EXCHANGED)] * 2
    assert exchange.client.status().dtype == "bf16"
    late = old.submit("q00/wait", {"tag": 2})
    assert late.wait(SOON) and late.error == EXCHANGED
    job = exchange.client.submit("q00/wait", {"seconds": 0.1})
    assert job.wait(SOON) and job.state == "done" and exchange.client.num_jobs() == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (RunnerSettings("cpu", "fp32", "nowhere"), "There is no checkpoint at 'nowhere'; "),
        (RunnerSettings("tpu"), "The worker cannot start: Unknown device 'tpu'; "),
    ],
)
def test_settings_that_do_not_work_change_nothing(
    exchange: RunnerExchange, settings: RunnerSettings, sentence: str
) -> None:
    old = exchange.client
    running = old.submit("q00/wait", {"seconds": 600.0})
    wait_for(lambda: running.partials)
    assert exchange.change(settings, lambda _settings: pytest.fail("kept"))
    wait_for(lambda: exchange.trying is None)
    assert exchange.problem.startswith(sentence)
    assert exchange.client is old and exchange.settings == OLD and running.active
    running.cancel()


def test_accepted_settings_that_cannot_be_kept_are_said(exchange: RunnerExchange) -> None:
    exchange.change(RunnerSettings("cpu", "fp16", "random:byte-128"), lambda _settings: "The disk is full.")
    wait_for(lambda: exchange.trying is None)
    assert exchange.problem == "The disk is full." and exchange.client.status().dtype == "fp16"
