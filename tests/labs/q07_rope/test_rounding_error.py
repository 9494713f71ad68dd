"""What rounding alone is expected to do to a score."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q07_rope.invariance import MEASURED_STARTS
from labs.q07_rope.rounding_error import expected_errors, gap
from labs.q07_rope.scaling import frequencies

THETA = frequencies(64, 1e6)


def test_gaps_are_those_of_the_types() -> None:
    for dtype, bits in ((torch.float64, 53), (torch.float32, 24), (torch.bfloat16, 8)):
        values = torch.tensor([1.0, 3.0, 256.0, 1000.0], dtype=dtype)
        after = torch.tensor([1.0, 2.0, 256.0, 512.0], dtype=torch.float64) * torch.finfo(dtype).eps
        np.testing.assert_array_equal(gap(values.double().numpy(), bits), after.numpy())


def test_the_predicted_error_grows_as_it_should() -> None:
    errors = expected_errors(MEASURED_STARTS, 1, THETA)
    for name in ("fp64", "fp32"):  # in proportion to the position
        assert 300 < errors[name][-1] / errors[name][len(errors[name]) // 2] < 3000
    assert errors["bf16_values"].max() < 2 * errors["bf16_values"].min()
    assert errors["bf16_angles"][-1] > 10 * errors["bf16_values"][-1] > errors["fp32"][0]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 511))
def test_the_prediction_is_finite_at_every_distance(distance: int) -> None:
    errors = expected_errors(MEASURED_STARTS, distance, THETA)
    assert len(errors) == 4
    for values in errors.values():
        assert len(values) == len(MEASURED_STARTS)
        assert np.isfinite(values).all() and (values > 0).all() and (values < 2).all()
