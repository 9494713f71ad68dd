"""Four trainings: against a plain loop of torch, against one another, and what is drawn while they run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from labs.q09_accumulation.against import against
from labs.q09_accumulation.arms import Arm
from labs.q09_accumulation.duel import ARMS, SIZES, Duel, DuelParams
from labs.runner.supervisor import LIMITS
from labs.tools.budgets import device_class
from labs.tools.gradients import gradients, random_rows
from labs.tools.models import TINY, untrained
from tests.labs.one_lab import OneLab, Run, shown

Result = Callable[..., dict[str, Any]]
SHORT = {"updates": 5, "steps": 2}
MODEL = untrained(TINY, "cpu")
WINDOWS = random_rows(MODEL, 18, 12).view(3, 3, 2, -1)


def arm(optimizer: str, *, micro_batches: bool, divide: bool, clip: float | None, rate: float = 0.05) -> Arm:
    return Arm(MODEL, optimizer, rate, micro_batches=micro_batches, divide=divide, clip=clip)


def advance(one: Arm, window: torch.Tensor) -> tuple[float, float] | None:
    return one.step(one.accumulate(window, lambda: None))


@pytest.mark.parametrize(("optimizer", "clip"), [("sgd", None), ("momentum", None), ("adamw", 0.5)])
def test_an_arm_is_the_plain_loop(optimizer: str, clip: float | None) -> None:
    ours = arm(optimizer, micro_batches=True, divide=True, clip=clip)
    model = copy.deepcopy(MODEL)
    of_torch = torch.optim.AdamW if optimizer == "adamw" else torch.optim.SGD
    more = {"momentum": 0.9} if optimizer == "momentum" else {}
    theirs = of_torch(model.parameters(), lr=0.05, **more)
    for window in WINDOWS:
        found = advance(ours, window)
        rows = window.flatten(0, 1)
        loss = cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        theirs.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip or 1e9)
        theirs.step()
        assert found == pytest.approx((loss.item(), norm.item()), rel=1e-4)


@pytest.mark.parametrize(("divide", "factor"), [(True, 1), (False, 3)])
def test_what_micro_batches_leave_is_the_gradient_of_the_big_batch_or_a_multiple(
    divide: bool, factor: int
) -> None:
    accumulated = arm("adamw", micro_batches=True, divide=divide, clip=None)
    accumulated.accumulate(WINDOWS[0], lambda: None)
    rows = WINDOWS[0].flatten(0, 1)
    loss = cross_entropy(MODEL(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
    true = torch.autograd.grad(factor * loss, list(MODEL.parameters()))
    found = against(gradients(accumulated.model), true)
    assert found["relative_error"] is not None and found["relative_error"] < 1e-6
    assert found["cosine"] == pytest.approx(1) and found["norm_ratio"] == pytest.approx(1, rel=1e-5)


def test_a_gradient_that_is_nan_is_like_no_other() -> None:
    ours, true = [torch.tensor([torch.nan, 1.0])], [torch.ones(2)]
    assert set(against(ours, true).values()) == {None}


def test_a_clip_below_both_norms_hides_the_mistake_from_sgd() -> None:
    arms = [arm("sgd", micro_batches=True, divide=divide, clip=1e-3) for divide in (True, False)]
    for window in WINDOWS:
        right, wrong = (advance(each, window) for each in arms)
        assert right is not None and wrong is not None
        assert wrong[0] == pytest.approx(right[0], rel=1e-5) and wrong[1] == pytest.approx(
            3 * right[1], rel=1e-3
        )


def test_an_arm_that_diverges_stops_for_good_and_harms_nobody() -> None:
    wild = arm("sgd", micro_batches=False, divide=True, clip=None, rate=1e30)
    found = [advance(wild, window) for window in WINDOWS]
    assert found[0] is not None and found[1:] == [None, None] and wild.diverged == 2
    assert all(parameter.isfinite().all() for parameter in MODEL.parameters())


def test_adamw_does_not_see_the_missing_division(result: Result) -> None:
    seen = result("duel", **SHORT)
    losses = seen["losses"]
    assert losses["divided"] == pytest.approx(losses["big"], abs=1e-4)
    assert losses["undivided"] == pytest.approx(losses["big"], abs=1e-3)
    assert seen["first"]["divided"]["relative_error"] < 1e-5 and seen["weights_apart"] < 1e-3
    assert seen["first"]["undivided"]["norm_ratio"] == pytest.approx(2, rel=1e-4)
    drawn = shown("q09/duel", seen)
    assert drawn.sentence is not None
    assert drawn.sentence["formula"] == seen["final_loss"]["divided"]
    assert drawn.sentence["measured"] == seen["final_loss"]["undivided"]
    assert any("(cosine 1.000000) and is 2 times as long" in note for note in drawn.notes)


def test_the_26m_takes_the_same_course_from_its_trained_weights(result: Result) -> None:
    seen = result("duel", updates=1, steps=2, size="minimind-26m", start="shipped")
    assert seen["parameters"] == 25_829_888 and seen["updates"] == 1
    assert seen["first"]["divided"]["relative_error"] < 1e-5
    assert seen["first"]["undivided"]["norm_ratio"] == pytest.approx(2, rel=1e-4)
    first = {float(losses[0]) for losses in seen["losses"].values()}
    assert max(first) - min(first) < 1e-4 and max(first) < 6  # ln 6400, a guess, is 8.8


@pytest.mark.parametrize("size", SIZES)
def test_without_a_number_of_updates_a_run_is_as_long_as_suits_the_device(size: str) -> None:
    for device, limit in LIMITS.items():
        params = DuelParams(size=size)
        assert params.planned(device) == SIZES[size].on(device)
        assert 5 < Duel().seconds(params, device_class(device)) < limit
    assert DuelParams(size=size, updates=7).planned("cpu").updates == 7


def test_rows_and_their_length_are_those_that_are_asked_for(result: Result) -> None:
    seen = result("duel", updates=1, steps=2, rows=3, length=16)
    assert seen["tokens"] == 2 * 3 * 16
    assert seen["first"]["divided"]["relative_error"] < 1e-5
    usual, brief = (
        Duel().seconds(DuelParams(size="minimind-26m"), "cpu"),
        DuelParams(size="minimind-26m", rows=2, length=128, updates=6),
    )
    assert Duel().seconds(brief, "cpu") == pytest.approx(3 + 8 * (usual - 3))  # eight times the tokens


def test_a_clip_is_drawn_among_the_norms_that_it_shortens(result: Result) -> None:
    clipped = shown("q09/duel", result("duel", **SHORT, clip="0.1")).figures["norm"].data
    assert clipped[-1]["y"] == [0.1, 0.1] and len(clipped) == len(ARMS) + 1
    assert len(shown("q09/duel", result("duel", **SHORT)).figures["norm"].data) == len(ARMS)


def test_sgd_takes_it_for_a_higher_rate_and_a_run_that_diverges_is_said(result: Result) -> None:
    seen = result("duel", **SHORT, optimizer="sgd", learning_rate=0.1)
    assert seen["losses"]["undivided"] == pytest.approx(seen["losses"]["scaled"], abs=1e-3)
    drawn = shown("q09/duel", seen)
    assert drawn.sentence is not None and drawn.sentence["formula"] == seen["final_loss"]["scaled"]
    lost = {
        **seen,
        "losses": {**seen["losses"], "undivided": seen["losses"]["undivided"][:3]},
        "final_loss": {**seen["final_loss"], "undivided": None},
        "diverged": {**seen["diverged"], "undivided": 4},
    }
    drawn = shown("q09/duel", lost)
    assert drawn.sentence is None
    assert any("not divided: diverged at update 4" in note for note in drawn.notes)
    assert [len(trace["x"]) for trace in drawn.figures["loss"].data] == [5, 5, 5, 3]


def test_the_same_seed_gives_the_same_curves(run: Run, lab: OneLab) -> None:
    again = lab.client.submit("q09/duel", SHORT)
    first = run("duel", **SHORT).result
    assert first is not None and again.result is not None
    for name in ARMS:
        assert np.array_equal(first["losses"][name], again.result["losses"][name])


def test_the_curves_grow_while_it_runs(run: Run) -> None:
    job = run("duel", **SHORT)
    assert isinstance(job.params, DuelParams) and len(job.partials) == 5
    so_far = shown("q09/duel", dict(Duel().so_far(job.params, job.partials[:2])))
    assert list(so_far.figures) == ["loss", "norm"] and so_far.sentence is None
    assert [len(trace["x"]) for trace in so_far.figures["loss"].data] == [2] * len(ARMS)
    assert shown("q09/duel", dict(Duel().so_far(job.params, []))).figures["loss"].data


def test_a_window_of_one_is_not_said_to_show_a_mistake(result: Result) -> None:
    seen = result("duel", **SHORT)
    notes = " ".join(shown("q09/duel", seen).notes)
    assert "A log of its norm" in notes and "amplifies" not in notes
    alone = " ".join(shown("q09/duel", {**seen, "steps": 1, "weights_apart": 0.5}).notes)
    assert "nothing is divided" in alone and "A log of its norm" not in alone and "amplifies" in alone
