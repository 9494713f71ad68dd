"""The load-balancing loss: a plain loop, the covariances, and the cure, for any router."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract.fields import ParamError
from labs.q09_accumulation.moe import MoeParams
from labs.q09_accumulation.router import balance, fresh_router
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]


def states_of(micro_batches: int, seed: int) -> torch.Tensor:
    """Hidden states [A, T, C] whose law differs between micro-batches."""
    random = torch.Generator().manual_seed(seed)
    own = torch.randn(micro_batches, 12, 6, generator=random, dtype=torch.float64)
    return own + torch.randn(micro_batches, 1, 6, generator=random, dtype=torch.float64)


def test_the_loss_is_that_of_a_plain_loop() -> None:
    states = states_of(3, 0)
    weights = fresh_router(states, 4, 1)
    found = balance(states, weights, 2)
    for part, loss in zip(states, found.losses, strict=True):
        expected = 0.0
        probabilities = torch.softmax(part @ weights, -1)
        for expert in range(4):
            chosen = sum(expert in row.topk(2).indices.tolist() for row in probabilities) / 2 / len(part)
            expected += 4 * chosen * float(probabilities[:, expert].mean())
        assert float(loss) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(2, 5), st.integers(1, 2), st.integers(0, 99))
def test_the_gap_is_the_covariance_and_shared_shares_close_it(
    micro_batches: int, experts: int, top: int, seed: int
) -> None:
    states = states_of(micro_batches, seed)
    weights = fresh_router(states, experts, seed)
    whole = balance(states.flatten(0, 1)[None], weights, top)
    own = balance(states, weights, top)
    shared = balance(states, weights, top, shares=whole.shares.expand_as(own.shares))
    covariance = ((own.shares - own.shares.mean(0)) * (own.means - own.means.mean(0))).mean(0).sum()
    assert own.loss - whole.loss == pytest.approx(experts * float(covariance), abs=1e-12)
    assert shared.loss == pytest.approx(whole.loss, rel=1e-12)
    assert torch.allclose(shared.gradient, whole.gradient, atol=1e-12)


def test_a_balanced_router_has_a_loss_of_one() -> None:
    states = torch.eye(4, dtype=torch.float64)[None]
    assert balance(states, torch.eye(4, dtype=torch.float64) * 50, 1).loss == pytest.approx(1.0)


def test_sorted_texts_are_further_from_the_whole_batch_than_mixed_ones(result: Result) -> None:
    seen = {order: result("moe", order=order, length=32) for order in ("sorted", "mixed")}
    off = {order: found["ways"]["micro"]["relative_error"] for order, found in seen.items()}
    assert off["sorted"] > 0.1 > 0 and off["sorted"] > off["mixed"] > 0
    assert seen["sorted"]["whole"] == pytest.approx(seen["mixed"]["whole"], rel=1e-12)
    for found in seen.values():
        assert found["ways"]["global_shares"]["relative_error"] < 1e-12
        assert found["shares"].sum(1) == pytest.approx(1)
    drawn = shown("q09/moe", seen["sorted"])
    micro = seen["sorted"]["ways"]["micro"]["loss"]
    assert drawn.sentence is not None and drawn.sentence["said"] == seen["sorted"]["whole"]
    assert drawn.sentence["measured"] == micro == pytest.approx(drawn.sentence["formula"], rel=1e-12)
    assert drawn.figures["losses"].data[0]["y"] == seen["sorted"]["losses"]
    assert sum(seen["sorted"]["losses"]) / 8 == pytest.approx(micro)


def test_one_micro_batch_is_the_whole_batch(result: Result) -> None:
    seen = result("moe", steps=1, length=32)
    assert seen["covariance"] == 0 and seen["ways"]["micro"]["ratio"] == 1
    assert "One micro-batch is the whole batch." in shown("q09/moe", seen).notes


def test_no_steps_are_refused() -> None:
    with pytest.raises(ParamError, match="Accumulation steps must be at least 1"):
        MoeParams(steps=0)
