"""Runs that break on purpose: their curves grow, a seed gives them again, and the worker outlives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labs.contract.drawing import Figure
from labs.q11_nan.cases import FAULTS
from labs.runner import WorkerClient
from labs.runner.store import ResultStore
from tests.labs.one_lab import REGISTRY, OneLab
from tests.labs.runner.waiting import SOON

SMALL = {"size": "nano-rope"}
LIVE = {
    "autopsy": SMALL | {"steps": 6},
    "surgeon": {"steps": 15},
    "rates": {"steps": 10},
    "norms": {"steps": 60},
    "rewind": {"seeds": 1, "rows": 1},
}
WILD = [
    *(("q11/autopsy", SMALL | {"fault": fault, "steps": 4}) for fault in FAULTS),
    ("q11/surgeon", {"patient": "high_rate", "repair": "none", "steps": 15}),
    ("q09/duel", {"optimizer": "sgd", "learning_rate": 1.0, "updates": 5, "steps": 2}),
]
"""What is not finite, overflows or raises, in the labs of both questions."""


def points(figures: dict[str, Figure]) -> int:
    """Finite numbers that the figures draw."""
    total = 0
    for figure in figures.values():
        for trace in figure.data:
            values = trace.get("z", trace.get("y", []))
            flat = np.array([value for value in np.ravel(np.array(values, object)) if value is not None])
            total += sum(isinstance(value, int | float) and np.isfinite(value) for value in flat.tolist())
    return total


@pytest.mark.parametrize("name", LIVE)
def test_what_is_drawn_grows_while_it_runs(lab: OneLab, name: str) -> None:
    job, experiment = lab.done(name, **LIVE[name]), REGISTRY.find(f"q11/{name}")
    assert len(job.partials) > 2 and job.params is not None
    drawn = []
    for count in (1, len(job.partials) // 2, len(job.partials)):
        so_far = experiment.so_far(job.params, job.partials[:count])
        with lab._small():
            drawn.append(points(dict(lab.show(name, experiment.complete(job.params, so_far)).figures)))
    early, half, whole = drawn  # a replay draws the last part of its training alone
    assert early < min(half, whole) and half != whole, drawn


@pytest.mark.parametrize("name", LIVE)
def test_the_same_seed_gives_the_same_curves(lab: OneLab, name: str) -> None:
    first = lab.done(name, **LIVE[name]).result
    with lab._small():
        again = lab.client.submit(f"q11/{name}", LIVE[name]).result
    assert first is not None and again is not None
    assert repr(plain(first)) == repr(plain(again))


def plain(value: Any) -> Any:
    """Lists for arrays, so that NaN is written as itself."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


# --- the worker ---


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerClient]:
    store = ResultStore(tmp_path_factory.mktemp("results"))
    client = WorkerClient.start("cpu", model="nano-rope", registry=REGISTRY, store=store)
    yield client
    client.close()


def children() -> set[str]:
    """Process ids of what this process has started."""
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text(encoding="ascii").split()
    }


@pytest.mark.slow
def test_no_fault_takes_the_worker_down(client: WorkerClient) -> None:
    """All of them one after the other, in one process, which is the same afterwards."""
    healthy = client.submit("q11/clipping", {})
    assert healthy.wait(SOON) and healthy.state == "done", healthy.error
    workers = children()
    for experiment, settings in WILD:
        job = client.submit(experiment, settings)
        assert job.wait(SOON), f"{experiment} {settings} did not end"
        assert job.state == "done", (settings, job.error)
    assert children() == workers
