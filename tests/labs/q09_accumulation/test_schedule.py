"""Learning rates by update: the loop against the arithmetic and against the trainer, for any numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract.fields import ParamError
from labs.q09_accumulation.schedule import (
    COUNTINGS,
    SCHEDULES,
    Schedule,
    ScheduleParams,
    arithmetic,
    multiplier,
)
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]
SMALL = {"updates": 40, "warmup_updates": 8, "steps": 4}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SCHEDULES), st.integers(1, 16), st.integers(1, 12), st.integers(0, 100))
def test_counting_micro_batches_everywhere_is_the_same_course(
    schedule: str, steps: int, tens: int, warmup: int
) -> None:
    """But for what lies within a window: each rate is between that of its update and of the next."""
    updates = 10 * tens
    options = {"schedule": schedule, "steps": steps, "updates": updates, "warmup_updates": warmup % updates}
    meant = ScheduleParams(**options, counting="updates")
    this, both = arithmetic(meant), arithmetic(ScheduleParams(**options, counting="both"))
    following = np.append(this[1:], multiplier(meant, updates))
    assert (both >= np.minimum(this, following) - 1e-9).all()
    assert (both <= np.maximum(this, following) + 1e-9).all()
    if steps == 1:
        for counting in COUNTINGS:
            assert arithmetic(ScheduleParams(**options, counting=counting)) == pytest.approx(this)


def test_a_cosine_is_that_of_torch_and_rises_again_where_it_goes_on_too_long() -> None:
    params = ScheduleParams(counting="step", warmup_updates=0)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, params.updates)
    rates = []
    for _ in range(params.updates * params.steps):
        optimizer.step()
        rates.append(theirs.get_last_lr()[0])
        theirs.step()
    at_updates = rates[params.steps - 1 :: params.steps]
    assert arithmetic(params) == pytest.approx(at_updates, abs=1e-6)
    assert min(at_updates) < 0.01 and max(at_updates[params.updates // 2 :]) > 0.9


def test_minimind_starts_a_tenth_above_and_ends_at_a_tenth() -> None:
    params = ScheduleParams(schedule="minimind")
    assert multiplier(params, 0) == pytest.approx(1.1)
    assert multiplier(params, params.updates * params.steps) == pytest.approx(0.1)


@pytest.mark.parametrize("counting", COUNTINGS)
def test_the_loop_does_what_arithmetic_says(result: Result, counting: str) -> None:
    seen = result("schedule", counting=counting, **SMALL)
    assert seen["rates"] == pytest.approx(seen["formula"]["rates"], abs=1e-6)
    assert seen["peak_update"] == seen["formula"]["peak_update"]
    assert seen["trainer"] == pytest.approx(seen["meant"], abs=1e-6)
    formula = Schedule().formula(ScheduleParams(counting=counting, **SMALL))
    assert formula["peak_update"] == seen["peak_update"]


def test_a_warm_up_in_updates_counted_by_micro_batch_is_over_too_soon(result: Result) -> None:
    seen = result("schedule", **SMALL)
    drawn = shown("q09/schedule", seen)
    assert drawn.sentence == {"said": 8, "formula": 2, "measured": 2, "unit": "updates"}
    meant, formula, measured, trainer = drawn.figures["course"].data
    assert meant["y"] == pytest.approx(seen["meant"]) and formula["y"] == pytest.approx(seen["rates"])
    assert measured["y"] == pytest.approx(seen["rates"]) and trainer["y"] == pytest.approx(seen["meant"])
    assert any("another one" in note for note in drawn.notes)
    assert any("to the last digit" in note for note in drawn.notes)
    right = shown("q09/schedule", result("schedule", counting="updates", **SMALL))
    assert not any("another one" in note for note in right.notes)


def test_minimind_has_no_curve_of_our_trainer(result: Result) -> None:
    seen = result("schedule", schedule="minimind", **SMALL)
    drawn = shown("q09/schedule", seen)
    assert "trainer" not in seen and len(drawn.figures["course"].data) == 3
    assert drawn.sentence is not None and drawn.sentence["measured"] == pytest.approx(1.1, abs=0.02)


def test_the_formula_is_drawn_before_any_run() -> None:
    drawn = shown("q09/schedule", dict(Schedule().formula(ScheduleParams())))
    assert drawn.sentence is None
    assert [trace["meta"]["role"] for trace in drawn.figures["course"].data] == ["peer", "formula"]


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ParamError, match="shorter than the run of 20 updates"):
        ScheduleParams(updates=20, warmup_updates=20)
