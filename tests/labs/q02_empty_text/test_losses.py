"""The seven losses against torch and against each other: on batches with targets, and without any."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labs.q02_empty_text.formulas import FORMULAS, is_poisonous
from labs.q02_empty_text.losses import LOSSES, step_count

masks = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4)


def drawn(mask: list[list[bool]]) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(len(mask))
    logits = torch.randn(len(mask), 3, 7, generator=generator)
    targets = torch.randint(7, (len(mask), 3), generator=generator)
    return logits.requires_grad_(), targets, torch.tensor(mask, dtype=torch.float32)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_a_loss_is_poisonous_where_counting_says_so(mask: list[list[bool]]) -> None:
    dead = sum(not any(row) for row in mask)
    for formula in FORMULAS:
        logits, targets, weights = drawn(mask)
        loss = LOSSES[formula](logits, targets, weights)
        loss.backward()
        spoilt = logits.grad is not None and bool(logits.grad.isnan().any())
        assert spoilt == is_poisonous(formula, len(mask), dead), formula


@settings(max_examples=60, deadline=None)
@given(masks.filter(lambda mask: any(map(any, mask))))
def test_with_a_target_all_but_the_mean_of_means_are_the_loss_of_torch(mask: list[list[bool]]) -> None:
    logits, targets, weights = drawn(mask)
    kept = weights.bool()
    true = F.cross_entropy(logits[kept], targets[kept])
    (gradient,) = torch.autograd.grad(true, logits)
    for formula in FORMULAS:
        if formula != "per_sample":
            loss = LOSSES[formula](logits, targets, weights)
            assert loss.item() == pytest.approx(true.item(), abs=1e-6), formula
            assert torch.allclose(torch.autograd.grad(loss, logits)[0], gradient, atol=1e-6), formula


def test_without_a_target_each_prints_and_sends_back_what_the_table_says() -> None:
    seen = {}
    for formula in FORMULAS:
        logits, targets, mask = drawn([[False] * 3] * 2)
        loss = LOSSES[formula](logits, targets, mask)
        loss.backward()
        grad = logits.grad
        sent = "none" if grad is None else "nan" if grad.isnan().all() else "zeros" if not grad.any() else "?"
        seen[formula] = ("nan" if math.isnan(float(loss.detach())) else float(loss.detach()), sent)
    assert seen == {
        "masked_mean": ("nan", "nan"),
        "per_sample": ("nan", "nan"),
        "ignore_index": ("nan", "zeros"),
        "step_count": ("nan", "zeros"),
        "clamped": (0.0, "zeros"),
        "epsilon": (0.0, "zeros"),
        "disconnected_zero": (0.0, "none"),
    }


def test_one_count_for_the_step_makes_two_micro_batches_one_batch() -> None:
    logits, targets, mask = drawn([[True, False, True], [True, True, True], [False] * 3])
    rows = zip(logits.split(1), targets.split(1), mask.split(1), strict=True)
    parts = [step_count(*row, mask.sum()).item() for row in rows]
    assert sum(parts) == pytest.approx(LOSSES["masked_mean"](logits, targets, mask).item(), abs=1e-6)
