"""Two real processes once: what they send, and that the gradient is that of one big batch; what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.q09_accumulation.ranks import ROUNDS, Ranks, RanksParams, _slower
from labs.runner.job import Job
from labs.tools import rank_pair
from minimind_core.model.config import PRESETS
from minimind_core.model.cost import num_parameters
from tests.labs.one_lab import OneLab, shown

Result = Callable[..., dict[str, Any]]
NANO = {"size": "nano-rope", "steps": 3}


def test_without_no_sync_every_micro_batch_is_sent_and_nothing_else_changes(result: Result) -> None:
    seen = result("ranks", **NANO)
    once = 4 * num_parameters(PRESETS["nano-rope"]) / 1e6
    assert seen["backend"] == "gloo"
    assert seen["no_sync"]["megabytes"] == pytest.approx(once) == seen["parameters_megabytes"]
    assert seen["every"]["megabytes"] == pytest.approx(3 * once) == seen["formula_megabytes"]["every"]
    assert seen["every"]["all_reduces"] == 3 * seen["no_sync"]["all_reduces"] > 0
    for way in ("every", "no_sync"):
        assert seen[way]["relative_error"] < 1e-5
        spread = seen[way]["seconds"]
        assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert seen["megabytes_ratio"] == Ranks().formula(RanksParams(**NANO))["megabytes_ratio"]
    drawn = shown("q09/ranks", seen)
    assert drawn.sentence is not None and drawn.sentence["measured"] == seen["every"]["megabytes"]
    assert drawn.figures["sent"].data[0]["x"] == [seen["every"]["megabytes"], seen["no_sync"]["megabytes"]]
    assert any("gradient of one big batch" in note for note in drawn.notes)


def test_a_window_is_over_when_both_ranks_are_done() -> None:
    ranks = [
        [{"way": "every", "seconds": 1.0}, {"way": "no_sync", "seconds": 9.0}],
        [{"way": "every", "seconds": 2.0}, {"way": "no_sync", "seconds": 3.0}],
    ]
    assert (_slower(ranks, "every"), _slower(ranks, "no_sync")) == ([2.0], [9.0])
    assert ROUNDS >= 3


def test_a_process_that_fails_is_said_in_one_sentence(lab: OneLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> list[dict[str, Any]]:
        failed = {"all_reduces": [], "reports": [], "ended": "error", "error": "RuntimeError: no port"}
        return [failed, failed]

    monkeypatch.setattr(rank_pair, "run_pair", fail)
    job: Job = lab.run("ranks", size="nano-rope", steps=2)
    assert job.state == "failed"
    assert "did not end well (RuntimeError: no port); run it again" in str(job.error)
