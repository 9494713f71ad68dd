"""Three arms on handwritten digits: against torch's optimizers, against one another, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from labs.contract.fields import ParamError
from labs.q09_accumulation.arms import TRAINERS
from labs.q09_accumulation.digit_images import TRAINING, digit_images
from labs.q09_accumulation.digit_training import RateSweep
from labs.q09_accumulation.digits import ARMS, LOWEST_RATE, SHIFT, Digits, DigitsParams, first_bad
from tests.labs.one_lab import Run, shown

Result = Callable[..., dict[str, Any]]
RATES = torch.tensor([0.01, 0.08])


def batches(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    x, y = map(torch.from_numpy, digit_images())
    return [(x[start : start + 64], y[start : start + 64]) for start in range(0, 64 * count, 64)]


def test_the_digits_are_what_they_are_said_to_be() -> None:
    x, y = digit_images()
    assert x.shape == (1797, 64) and TRAINING % 64 == 0
    assert x.min() == 0 and x.max() == 1 and set(y.tolist()) == set(range(10))
    assert all(150 < int((y == digit).sum()) < 200 for digit in range(10))


@pytest.mark.parametrize("optimizer", LOWEST_RATE)
def test_each_copy_trains_as_torch_would_train_it_alone(optimizer: str) -> None:
    sweep = RateSweep(RATES, optimizer, micro_batches=8, divide=True, seed=1)
    alone = [weight.detach()[1].clone().requires_grad_() for weight in sweep.weights]
    theirs = TRAINERS[optimizer](alone, lr=float(RATES[1]))
    for x, y in batches(5):
        ours = sweep.update(x, y)[1]
        hidden = (x @ alone[0] + alone[1]).relu()
        loss = cross_entropy((hidden @ alone[2] + alone[3]).relu() @ alone[4] + alone[5], y)
        theirs.zero_grad()
        loss.backward()
        theirs.step()
        assert float(ours) == pytest.approx(loss.item(), rel=1e-4)
    for weight, expected in zip(sweep.weights, alone, strict=True):
        assert torch.allclose(weight[1], expected, atol=2e-4 if optimizer == "adamw" else 1e-5)


def test_without_division_sgd_is_the_run_at_eight_times_the_rate_and_adamw_the_same_run() -> None:
    for optimizer, factor, slack in (("sgd", 8.0, 1e-6), ("momentum", 8.0, 1e-5), ("adamw", 1.0, 1e-5)):
        rates = torch.tensor([1e-3])
        wrong = RateSweep(rates, optimizer, micro_batches=8, divide=False, seed=0)
        right = RateSweep(rates * factor, optimizer, micro_batches=8, divide=True, seed=0)
        for batch in batches(6):
            assert float(wrong.update(*batch)) == pytest.approx(float(right.update(*batch)), rel=1e-3)
        for a, b in zip(wrong.weights, right.weights, strict=True):
            assert float((a - b).detach().abs().mean()) < slack, optimizer


def test_a_copy_that_runs_away_takes_no_other_with_it() -> None:
    rates = torch.tensor([0.05, 1e30])
    both = RateSweep(rates, "sgd", micro_batches=1, divide=True, seed=0)
    alone = RateSweep(rates[:1], "sgd", micro_batches=1, divide=True, seed=0)
    for batch in batches(4):
        losses, own = both.update(*batch), alone.update(*batch)
        assert float(losses[0]) == pytest.approx(float(own[0]), rel=1e-5)
    assert not torch.isfinite(losses[1])


def test_the_curve_without_division_is_the_other_one_moved(result: Result) -> None:
    seen = result("digits", epochs=3)
    accuracy = seen["accuracy"]
    assert list(accuracy) == list(ARMS)
    assert accuracy["undivided"][:3] == pytest.approx(accuracy["big"][SHIFT : SHIFT + 3], abs=4)
    assert accuracy["big"][2] > 70 and seen["view"]["accuracy"]["undivided"] > 70
    assert seen["weight_difference"][0] < 1e-4
    assert seen["losses"]["big"].shape == (3 * 23, len(seen["rates"]))


def test_with_momentum_too_the_curve_is_moved(result: Result) -> None:
    seen = result("digits", epochs=3, optimizer="momentum")
    undivided, big = seen["accuracy"]["undivided"], seen["accuracy"]["big"]
    assert undivided[:3] == pytest.approx(big[SHIFT : SHIFT + 3], abs=4) and big[4] > 70
    assert seen["view"]["formula"] == big[2 + SHIFT]


def test_under_adamw_all_arms_are_alike(result: Result) -> None:
    seen = result("digits", epochs=3, optimizer="adamw", view={"rate_step": 3})
    accuracy = [seen["accuracy"][name][3] for name in ARMS]
    assert max(accuracy) - min(accuracy) < 4 and min(accuracy) > 70
    assert seen["view"]["formula"] == accuracy[0]


def test_the_rate_is_looked_at_without_another_run(result: Result) -> None:
    views = [result("digits", epochs=3, view={"rate_step": step}) for step in (0, 4)]
    for seen, step in zip(views, (0, 4), strict=True):
        drawn = shown("q09/digits", seen)
        assert drawn.sentence is not None
        assert drawn.sentence["measured"] == seen["accuracy"]["undivided"][step]
        assert drawn.sentence["formula"] == seen["accuracy"]["big"][step + SHIFT]
    ends = [shown("q09/digits", seen).figures["curves"].data[0]["y"][-1] for seen in views]
    assert ends[0] != ends[1]


def test_the_curves_are_drawn_while_it_runs(run: Run) -> None:
    job = run("digits", epochs=3)
    assert isinstance(job.params, DigitsParams)
    so_far = Digits().complete(job.params, Digits().so_far(job.params, job.partials[:2]))
    drawn = shown("q09/digits", dict(so_far)).figures
    assert list(drawn) == ["curves"] and len(drawn["curves"].data[0]["x"]) == 10
    assert shown("q09/digits", dict(Digits().so_far(job.params, []))).figures["curves"].data


def test_where_a_loss_stops_being_finite_is_said_and_drawn(result: Result) -> None:
    assert first_bad(np.array([[1, np.inf], [1, np.nan]], np.float32)) == [None, 1]
    seen = result("digits", epochs=3)
    losses = seen["losses"]["undivided"].copy()
    losses[37:, 2] = np.nan
    seen = {**seen, "losses": {**seen["losses"], "undivided": losses}}
    seen["diverged"] = {**seen["diverged"], "undivided": first_bad(losses)}
    drawn = shown("q09/digits", Digits().complete(DigitsParams(epochs=3), seen))
    assert "C: not divided: diverged at update 38, where the loss was no longer finite." in drawn.notes
    assert [trace["x"] for trace in drawn.figures["curves"].data if trace["meta"]["role"] == "said"] == [[37]]


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"rate_step": 7}, {"optimizer": "muon"}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ParamError):
        DigitsParams.from_dict(settings)


def test_relus_are_called_dead_only_where_they_are(result: Result) -> None:
    """At a rate far too high no gradient passes them; where some are left, that is not said."""
    seen = result("digits", epochs=1, view={"rate_step": 6})
    assert seen["view"]["alive"] < 0.5 and seen["view"]["diverged"]["undivided"] is None
    assert any("only the last bias still moves" in note for note in shown("q09/digits", seen).notes)
    seen["view"]["alive"] = 11.0
    notes = shown("q09/digits", seen).notes
    assert any("jump over" in note for note in notes) and not any("dead" in note for note in notes)


def test_what_is_alive_is_what_the_layers_say() -> None:
    arm = RateSweep(torch.tensor([0.1, 0.2]), "sgd", micro_batches=1, divide=True, seed=0)
    with torch.no_grad():
        arm.weights[3][1] -= 100  # the second copy's last hidden layer
    x = torch.rand(16, 64, generator=torch.Generator().manual_seed(0))
    hidden = ((x @ arm.weights[0][0] + arm.weights[1][0]).relu() @ arm.weights[2][0] + arm.weights[3][0]) > 0
    assert arm.alive(x).tolist() == pytest.approx([100 * float(hidden.float().mean()), 0])
