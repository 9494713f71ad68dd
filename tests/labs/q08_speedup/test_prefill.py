"""Reading a prompt: both ways give the same, and the written-out one writes its scores down."""

from __future__ import annotations

from typing import Any

import pytest

from labs.q08_speedup import prefill
from labs.q08_speedup.prefill import Prefill, PrefillParams, score_bytes
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import OneLab, Run, Show


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefill, "SECONDS", PerDevice(cpu=0.05, cuda=0.05))
        patch.setattr(prefill, "LENGTHS", (128, 256))
        return run("prefill", longest=256)


def test_both_ways_agree_and_one_writes_scores(result: dict[str, Any]) -> None:
    assert 0 < result["difference"] < 1e-4
    for length in ("128", "256"):
        written, fused = (result["created_bytes"][way][length] for way in ("written", "fused"))
        assert written > result["score_bytes"][length] > fused
    assert result["created_bytes"]["fused"]["256"] == 2 * result["created_bytes"]["fused"]["128"]
    assert result["score_bytes"]["256"] == 4 * result["score_bytes"]["128"] == 4 * score_bytes(1, 128, "fp32")


def test_the_factor_is_drawn_with_its_spread(result: dict[str, Any], show: Show) -> None:
    drawn = show("prefill", result).figures["speedup"].data[0]
    assert drawn["y"] == list(result["speedup"].values())
    for length, factor in result["speedup"].items():
        assert result["spread"][length]["low"] <= factor <= result["spread"][length]["high"]


def test_scores_that_do_not_fit_are_refused(lab: OneLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefill, "free_bytes", lambda _device: 10**8)
    assert lab.refused("prefill", longest=2048, batch=8).endswith("take a smaller batch or a shorter prompt.")
    assert Prefill().seconds(PrefillParams(longest=512), "cpu") < Prefill().seconds(PrefillParams(), "cpu")
