"""Learning rates: the rise, the shapes and their ends."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_core.training.training_config import ScheduleKind, learning_rate_factor

KINDS = get_args(ScheduleKind)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_up_rises_in_equal_steps_to_the_peak(kind: ScheduleKind) -> None:
    rise = [learning_rate_factor(kind, step, 100, 10) for step in range(11)]
    assert rise[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rise[10] == pytest.approx(1)


def test_shapes_at_a_quarter_half_and_three_quarters() -> None:
    def at(kind: ScheduleKind) -> list[float]:
        return [learning_rate_factor(kind, step, 110, 10, 0.1) for step in (35, 60, 85, 100)]

    assert at("constant") == [1, 1, 1, 1]
    assert at("linear") == pytest.approx([0.775, 0.55, 0.325, 0.19])
    assert at("cosine") == pytest.approx(
        [0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2 for share in (0.25, 0.5, 0.75, 0.9)]
    )
    assert at("wsd") == pytest.approx([1, 1, 1, 0.55])  # the last fifth decays


@given(st.sampled_from(KINDS), st.integers(1, 300), st.integers(0, 50), st.floats(0, 1))
def test_factors_never_rise_after_warm_up_nor_leave_their_range(
    kind: ScheduleKind, decay: int, warmup: int, final: float
) -> None:
    total = warmup + decay
    fall = [learning_rate_factor(kind, step, total, warmup, final) for step in range(warmup, total)]
    assert fall[0] == pytest.approx(1)
    assert all(final - 1e-9 <= factor <= 1 for factor in fall)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(fall))


@pytest.mark.parametrize("kind", ["linear", "cosine", "wsd"])
def test_a_long_run_ends_near_its_final_factor(kind: ScheduleKind) -> None:
    assert learning_rate_factor(kind, 9_999, 10_000, 100, 0.05) == pytest.approx(0.05, abs=1e-3)
