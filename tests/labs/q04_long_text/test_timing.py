"""The ways by the clock: the same hidden states either way, what is held at once, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from labs.q04_long_text import timing
from labs.q04_long_text.timing import TimingParams, score_bytes
from labs.tools.budgets import PerDevice
from labs.tools.models import untrained
from minimind_core.errors import ConfigError
from minimind_core.model.config import PRESETS
from tests.labs.one_lab import shown

WAYS = ["truncate", "disjoint", "overlap", "local", "full"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"READ": 128, "WINDOW": 32, "SECONDS": 0.1}.items():
        monkeypatch.setattr(timing, name, PerDevice(cpu=value, cuda=value))


def test_both_kinds_of_attention_read_the_same_and_leave_the_model_as_it_is() -> None:
    model = untrained(PRESETS["nano-rope"], "cpu").eval()
    ids = torch.arange(3, 67)[None]
    with torch.no_grad():
        calls, (chosen, other) = timing._calls(model, ids, 16, "naive")
        torch.testing.assert_close(calls["full"](), calls["other"](), atol=1e-4, rtol=1e-4)
    kinds = [one.model.attention_kind for one in (model, chosen, other)]
    assert kinds == ["sdpa", "eager", "sdpa"]


def test_the_scores_are_held_only_where_they_are_written_out(result: Callable[..., dict[str, Any]]) -> None:
    read = result("timing", attention="naive")
    ways = read["ways"]
    assert list(ways) == [*WAYS, "other"] and read["scores"] == score_bytes(128) == 8 * 128**2 * 4
    assert ways["full"]["bytes"] - ways["other"]["bytes"] >= read["scores"] / 2
    assert ways["truncate"]["bytes"] == ways["disjoint"]["bytes"] < ways["full"]["bytes"]
    assert all(way["milliseconds"]["low"] <= way["milliseconds"]["median"] for way in ways.values())
    drawn = shown("q04/timing", read)
    assert drawn.sentence is not None and drawn.sentence["said"] == 7  # windows of 32 that advance by 16
    assert drawn.sentence["formula"] == pytest.approx(ways["overlap"]["gflop"] / ways["full"]["gflop"])
    assert any("written out takes" in note for note in drawn.notes)


def test_scores_that_do_not_fit_are_refused_and_not_timed_beside_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="Needs 2 GiB for one score matrix; use fused"):
        TimingParams(attention="naive", read=8192).read_on("cpu")
    assert TimingParams(attention="naive", read=8192).read_on("cuda") == 8192
    assert TimingParams(read=8192).read_on("cpu") == 4096
    monkeypatch.setattr(timing, "LONGEST", PerDevice(cpu=32, cuda=32))
    calls, _ = timing._calls(untrained(PRESETS["nano-rope"], "cpu"), torch.ones(1, 64).long(), 16, "fused")
    assert list(calls) == WAYS
