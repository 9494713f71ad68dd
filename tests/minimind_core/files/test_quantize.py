"""int8 rounding: the error bound, its edge cases, and that rounding twice is rounding once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minimind_core.files.quantize import MAX_ABS, can_quantize, dequantize_int8, quantize_int8


def weights(seed: int, magnitude: float = 0.02, rows: int = 5, columns: int = 256) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * magnitude


def worst_error_in_scales(weight: Tensor, group_size: int = 64) -> float:
    """Largest |w - q * scale| / scale, in float64."""
    q, scale = quantize_int8(weight, group_size)
    exact = scale.double().repeat_interleave(group_size, dim=1)  # [out, in]
    error = (weight.double() - q.double() * exact).abs()
    return float((error / exact.clamp(min=1e-300)).max())


def test_shapes_and_dtypes() -> None:
    q, scale = quantize_int8(weights(0))
    assert q.shape == (5, 256) and q.dtype == torch.int8
    assert scale.shape == (5, 4) and scale.dtype == torch.float16


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.integers(-24, 14), group_size=st.sampled_from([16, 64, 128]))
def test_error_is_at_most_half_a_scale(seed: int, exponent: int, group_size: int) -> None:
    # fp32 division may round a quotient onto the half-way point, hence the hair's breadth
    assert worst_error_in_scales(weights(seed, 2.0**exponent), group_size) <= 0.5 * (1 + 1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.integers(-6, 14))
def test_scale_is_absmax_over_127(seed: int, exponent: int) -> None:
    weight = weights(seed, 2.0**exponent)
    _, scale = quantize_int8(weight)
    exact = weight.view(5, 4, 64).abs().amax(-1).double() / 127
    assert (scale.double() >= exact * (1 - 1e-7)).all()
    assert (scale.double() <= exact * (1 + 2**-10)).all()  # one step of fp16


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_quantising_again_changes_nothing(seed: int) -> None:
    q, scale = quantize_int8(weights(seed))
    again, same_scale = quantize_int8(dequantize_int8(q, scale))
    assert torch.equal(q, again) and torch.equal(scale, same_scale)


def test_zero_groups_come_back_as_zeros() -> None:
    weight = weights(1)
    weight[2, 64:128] = 0
    q, scale = quantize_int8(weight)
    assert scale[2, 1] == 0 and torch.isfinite(scale).all()
    assert torch.equal(dequantize_int8(q, scale)[2, 64:128], torch.zeros(64))


def test_an_outlier_spoils_its_own_group_only() -> None:
    weight = weights(2)
    weight[0, 0] = 20.0
    error = (dequantize_int8(*quantize_int8(weight)) - weight).abs()
    assert error[0, 1:64].max() > 20 * error[0, 64:].max()


def test_sign_and_extremes_survive() -> None:
    weight = torch.full((1, 64), -0.5)
    weight[0, 3] = 0.5
    assert torch.allclose(dequantize_int8(*quantize_int8(weight)), weight, rtol=2**-10)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), MAX_ABS * 1.01])
def test_what_a_scale_cannot_hold_is_refused(bad: float) -> None:
    weight = weights(3)
    weight[0, 0] = bad
    with pytest.raises(AssertionError, match="finite"):
        quantize_int8(weight)


def test_only_matrices_of_whole_groups_qualify() -> None:
    assert can_quantize(torch.empty(3, 128))
    assert not can_quantize(torch.empty(3, 100)) and not can_quantize(torch.empty(128))
    with pytest.raises(AssertionError, match="whole groups"):
        quantize_int8(torch.zeros(3, 100))
