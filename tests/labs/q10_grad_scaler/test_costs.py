"""What mixed precision costs and saves: bytes counted, time and digits. Of times only that they are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from labs.claims.recordings import recorded
from labs.q10_grad_scaler import claims
from labs.tools.byte_ledger import batch_bytes, kept_for_backward, states_after_step
from labs.tools.gradients import random_rows
from labs.tools.models import untrained
from minimind_core.model.config import PRESETS, ModelConfig
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]
WAYS = {"fp32": "FP32", "fp16": "autocast FP16", "bf16": "autocast BF16", "pure_bf16": "all in BF16"}


def test_states_are_16_bytes_a_parameter_with_and_without_autocast() -> None:
    model, claimed = untrained(ModelConfig(), "cpu"), claims.states()
    for dtype in (None, torch.bfloat16):
        states = states_after_step(model, dtype)
        assert states.pop("counters") == claimed["step_scalars"] == 74 * 4
        assert sum(states.values()) == claimed["states"] == 16 * 25_829_888
        assert 2 * states["weights"] == 2 * states["gradients"] == states["moments"]
        kept = kept_for_backward(model, random_rows(model, 1, 4), dtype, lambda: None)
        assert kept["casts"] == (0 if dtype is None else claimed["casts"])
    assert claimed["casts"] == 2 * 25_821_184


def test_rows_that_were_not_run_weigh_what_the_others_do() -> None:
    model = untrained(PRESETS["byte-128"], "cpu")
    for dtype in (None, torch.bfloat16):
        whole, part = (batch_bytes(model, 7, 32, dtype, tokens, lambda: None) for tokens in (7 * 32, 3 * 32))
        assert whole == part and whole["activations"] > 0


def test_the_ledger_adds_up(result: Result) -> None:
    memory = result("memory", batch=5, length=32)
    assert memory["counted_by"] == "tensors"
    assert (memory["small_batch"]["tokens"], memory["chosen"]["tokens"]) == (128, 160)
    states = {way: sum(parts.values()) for way, parts in memory["states"].items()}
    for batch in (memory["small_batch"], memory["chosen"]):
        total = {way: states[way] + sum(kept.values()) for way, kept in batch["bytes"].items()}
        assert batch["saved"] == pytest.approx(
            {way: 100 * (1 - size / total["fp32"]) for way, size in total.items()}
        )
        assert batch["saved_percent"] == batch["saved"]["fp16"]
        assert batch["bytes"]["fp16"]["activations"] < batch["bytes"]["fp32"]["activations"]
    assert memory["states"]["fp16"] == memory["states"]["fp32"]
    assert 2 * memory["states"]["pure_bf16"]["moments"] == memory["states"]["fp32"]["moments"]


def test_what_is_saved_is_drawn_and_tabled_with_its_sign(result: Result) -> None:
    """BF16 throughout needs less than FP32, and so saves; the line goes through what was counted."""
    memory = result("memory", batch=5, length=32)
    drawn = shown("q10/memory", memory)
    assert memory["chosen"]["saved"]["pure_bf16"] > 40
    saved = {row["Computed in"]: row["Saved (%)"] for row in drawn.rows}
    assert saved == {name: memory["chosen"]["saved"][way] for way, name in WAYS.items()}
    line, marks, said = drawn.figures["saved"].data
    assert marks["x"] == [128, 160] and set(said["y"]) == {50}
    assert marks["y"] == [memory[name]["saved_percent"] for name in ("small_batch", "chosen")]
    near = min(range(len(line["x"])), key=lambda index: abs(line["x"][index] - 160))
    assert line["y"][near] == pytest.approx(marks["y"][1], abs=1)
    assert line["y"] == sorted(line["y"])


def test_the_bars_of_the_ledger_are_its_bytes_and_the_peak_stands_beside_them() -> None:
    """Of the recorded runs: a GPU has its peak, a CPU none."""
    records = recorded("q10/memory")
    assert {record["device"] for record in records} == {"cpu", "cuda"}
    for record in records:
        memory = record["result"]
        traces = shown("q10/memory", memory).figures["ledger"].data
        kept = memory["chosen"]["bytes"]
        assert traces[1]["x"] == [kept[way]["casts"] / 10**6 for way in WAYS]
        assert traces[2]["x"] == [kept[way]["activations"] / 10**6 for way in WAYS]
        if record["device"] == "cuda":
            assert traces[3]["x"] == [kept[way]["peak"] / 10**6 for way in WAYS]
        assert len(traces) == 3 + (record["device"] == "cuda")


def test_bf16_pays_in_digits(result: Result) -> None:
    speed = result("speed")
    times = speed["gradient_error"]["bf16"] / speed["gradient_error"]["fp16"]
    assert 3 < times < 30
    assert f"BF16 is {times:.1f} times as far from FP32" in shown("q10/speed", speed).notes[1]


def test_every_way_is_timed_and_drawn_with_quartiles(result: Result) -> None:
    speed = result("speed")
    figure = shown("q10/speed", speed).figures["time"]
    drawn = [trace for trace in figure.data if "error_y" in trace]  # the others hold the labels
    for batch, bars in zip((speed["small_batch"], speed["large_batch"]), drawn, strict=True):
        assert list(batch["spread"]) == ["fp32", "fp16", "fp16_scaler", "bf16"]  # TF32 is CUDA's
        assert batch["gain"] > 0
        for index, span in enumerate(batch["spread"].values()):
            assert 0 < span["low"] <= span["median"] == bars["y"][index] <= span["high"]
            assert bars["error_y"]["array"][index] == span["high"] - span["median"]
            assert bars["error_y"]["arrayminus"][index] == span["median"] - span["low"]


def test_the_large_batch_has_the_rows_that_were_asked_for(result: Result) -> None:
    speed = result("speed", large_batch=2)
    assert [speed[name]["rows"] for name in ("small_batch", "large_batch")] == [1, 2]
