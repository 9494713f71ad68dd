"""Four trainings in four precisions: who falls behind, when, and what is drawn while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from labs.contract.fields import ParamError
from labs.q10_grad_scaler.duel import Duel, DuelParams
from labs.q10_grad_scaler.training_steps import Training
from labs.tools.gradients import random_rows
from labs.tools.models import untrained
from minimind_core.model.config import PRESETS
from tests.labs.one_lab import Run, shown

Result = Callable[..., dict[str, Any]]


def test_without_a_scaler_fp16_falls_behind_and_with_it_does_not(result: Result) -> None:
    duel = result("duel", steps=20)
    final = duel["final_loss"]
    assert [len(curve) for curve in duel["curves"].values()] == [20] * 4
    assert final["fp16_scaler"] == pytest.approx(final["fp32"], abs=0.02)
    assert final["bf16"] == pytest.approx(final["fp32"], abs=0.05)
    assert duel["harm_without_scaler"] == final["fp16"] - final["fp32"] > 0.1
    assert duel["zero_percent"]["fp16"] > 30 > 1 > duel["zero_percent"]["fp16_scaler"]


def test_the_tokens_of_the_mean_change_nothing_in_fp32() -> None:
    """The factor is a power of two, so that two steps lead to the same weights bit for bit."""
    model = untrained(PRESETS["byte-128"], "cpu")
    rows = random_rows(model, 2, 8)
    trainings = [Training("fp32", model, 1e-3, tokens) for tokens in (16, 2**20)]
    losses = [[training.step(rows) for _ in range(2)] for training in trainings]
    assert losses[0] == losses[1] and losses[0][1] < losses[0][0]
    ours, theirs = (list(training.model.parameters()) for training in trainings)
    assert ours and all(map(torch.equal, ours, theirs))


def test_with_few_tokens_no_scaler_is_needed(result: Result) -> None:
    assert abs(result("duel", steps=20, tokens_exponent=5)["harm_without_scaler"]) < 0.05


def test_a_sum_overflows_and_the_scaler_finds_its_scale(result: Result) -> None:
    """A mean over one token is the plain sum: too large for 2^16, and each halving costs a step."""
    duel = result("duel", steps=20, tokens_exponent=0)
    skipped = duel["skipped"]["fp16_scaler"]
    assert skipped > 0 and duel["scale"][-1] == 65536 / 2**skipped
    assert duel["skipped"]["fp16"] == 0
    line, marks = shown("q10/duel", duel).figures["scale"].data
    assert len(marks["x"]) == skipped and line["y"][0] == 65536
    assert all(line["y"][step] == line["y"][step - 1] / 2 for step in marks["x"])


def test_the_curves_are_drawn_while_it_runs(run: Run) -> None:
    job = run("duel", steps=20)
    assert len(job.partials) == 20 and isinstance(job.params, DuelParams)
    drawn = shown("q10/duel", dict(Duel().so_far(job.params, job.partials[:7]))).figures
    assert list(drawn) == ["loss", "scale"]
    assert [len(trace["y"]) for trace in drawn["loss"].data] == [7] * 4


def test_each_curve_has_the_name_of_its_training(result: Result) -> None:
    duel = result("duel", steps=20)
    drawn = shown("q10/duel", duel)
    names = {"FP32": "fp32", "FP16 with scaler": "fp16_scaler", "BF16": "bf16", "FP16, no scaler": "fp16"}
    assert {trace["name"]: trace["y"] for trace in drawn.figures["loss"].data} == {
        name: duel["curves"][arm].tolist() for name, arm in names.items()
    }
    bars = {trace["y"][0]: trace["x"][0] for trace in drawn.figures["zeros"].data}
    assert bars == {name: duel["zero_percent"][arm] for name, arm in names.items()}
    assert f"ends {duel['harm_without_scaler']:.2f} nats above FP32" in drawn.notes[0]


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(ParamError):
        DuelParams.from_dict({"steps": 10})
