"""RoPE: the rotation's invariants, and frequencies equal to transformers' own initialisers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.rope import (
    RotaryEmbedding,
    apply_rope,
    plain_inv_freq,
    scaled_inv_freq,
    yarn_keep_share,
)

transformers = pytest.importorskip("transformers")
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS  # noqa: E402

HEAD_DIMS = st.sampled_from([8, 16, 32, 64, 128])
THETAS = st.sampled_from([1e2, 1e4, 5e5, 1e6, 1e8])
FACTORS = st.floats(1, 64)
FAST = settings(deadline=None, max_examples=60)


def theirs(
    kind: str, head_dim: int, theta: float, seq_len: int | None = None, length: int = 512, **parameters: Any
) -> tuple[Tensor, float]:
    """inv_freq and attention factor as transformers initialises them."""
    rope = {"rope_type": kind, "rope_theta": theta, **parameters}
    config = transformers.LlamaConfig(
        hidden_size=4 * head_dim,
        num_attention_heads=4,
        head_dim=head_dim,
        max_position_embeddings=length,
        rope_parameters=rope,
    )
    return ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=seq_len)


def same(ours: tuple[Tensor, float], reference: tuple[Tensor, float]) -> bool:
    """Equal to the precision of transformers' float32."""
    return (
        torch.allclose(ours[0].float(), reference[0], rtol=2e-6, atol=0)
        and abs(ours[1] - reference[1]) < 1e-9
    )


def rotated(x: Tensor, positions: Tensor, inv_freq: Tensor) -> Tensor:
    """x [.., T, D] float64 turned to positions [T]."""
    angles = positions[:, None].double() * inv_freq
    angles = torch.cat((angles, angles), -1)
    return apply_rope(x, angles.cos(), angles.sin())


@pytest.mark.parametrize("head_dim", [32, 64])
@pytest.mark.parametrize("factor", [1.0, 2.0, 16.0])
def test_position_interpolation_equals_transformers(head_dim: int, factor: float) -> None:
    ours = scaled_inv_freq(head_dim, 1e6, RopeScaling("pi", factor))
    assert same(ours, theirs("linear", head_dim, 1e6, factor=factor))


@pytest.mark.parametrize("head_dim", [32, 64])
@pytest.mark.parametrize(("growth", "reach"), [(2.0, 1024), (4.0, 2048), (1.0, 4096), (2.0, 100)])
def test_ntk_equals_transformers_dynamic_at_one_length(head_dim: int, growth: float, reach: int) -> None:
    """transformers' dynamic NTK at length `reach` is the static one with this factor."""
    factor = growth * max(reach, 512) / 512 - (growth - 1)
    ours = scaled_inv_freq(head_dim, 1e4, RopeScaling("ntk", factor))
    assert same(ours, theirs("dynamic", head_dim, 1e4, seq_len=reach, factor=growth))


@pytest.mark.parametrize(
    ("head_dim", "theta", "scaling"),
    [
        (64, 1e6, RopeScaling("yarn", 16.0, 2048)),
        (64, 1e6, RopeScaling("yarn", 16.0, 512)),
        (64, 1e6, RopeScaling("yarn", 1.0, 512)),
        (128, 1e4, RopeScaling("yarn", 4.0, 4096)),
        (128, 5e5, RopeScaling("yarn", 40.0, 4096, beta_fast=64.0, beta_slow=2.0)),
        (32, 1e6, RopeScaling("yarn", 8.0, 512, attention_factor=1.0)),
        (32, 1e4, RopeScaling("yarn", 2.0, 128, beta_fast=4.0, beta_slow=1.5)),
        (8, 1e4, RopeScaling("yarn", 32.0, 64)),
    ],
)
def test_yarn_equals_transformers(head_dim: int, theta: float, scaling: RopeScaling) -> None:
    parameters = {
        "factor": scaling.factor,
        "original_max_position_embeddings": scaling.original_length,
        "beta_fast": scaling.beta_fast,
        "beta_slow": scaling.beta_slow,
    }
    if scaling.attention_factor is not None:
        parameters["attention_factor"] = scaling.attention_factor
    assert same(scaled_inv_freq(head_dim, theta, scaling), theirs("yarn", head_dim, theta, **parameters))


@FAST
@given(HEAD_DIMS, THETAS, FACTORS, st.integers(64, 32_768))
def test_yarn_equals_transformers_everywhere(head_dim: int, theta: float, factor: float, length: int) -> None:
    ours = scaled_inv_freq(head_dim, theta, RopeScaling("yarn", factor, length))
    reference = theirs("yarn", head_dim, theta, factor=factor, original_max_position_embeddings=length)
    assert same(ours, reference)


@pytest.mark.parametrize(("original_length", "kept", "ramp"), [(2048, 6, 8), (512, 3, 8)])
def test_yarn_bands_of_the_standard_head(original_length: int, kept: int, ramp: int) -> None:
    scaling = RopeScaling("yarn", 16.0, original_length)
    share = yarn_keep_share(64, 1e6, scaling)
    assert ((share == 1).sum(), ((share > 0) & (share < 1)).sum()) == (kept, ramp)
    inv_freq, factor = scaled_inv_freq(64, 1e6, scaling)
    plain = plain_inv_freq(64, 1e6)
    assert torch.equal(inv_freq[:kept], plain[:kept]) and abs(factor - 1.27726) < 1e-5
    assert torch.allclose(inv_freq[kept + ramp :], plain[kept + ramp :] / 16, rtol=1e-15)


@FAST
@given(HEAD_DIMS, THETAS, FACTORS, st.integers(1, 32_768))
def test_yarn_multipliers_fall_from_1_to_1_over_factor(
    head_dim: int, theta: float, factor: float, length: int
) -> None:
    inv_freq, _ = scaled_inv_freq(head_dim, theta, RopeScaling("yarn", factor, length))
    multiplier = inv_freq / plain_inv_freq(head_dim, theta)
    assert (multiplier <= 1 + 1e-12).all() and (multiplier >= 1 / factor - 1e-12).all()
    assert (multiplier.diff() <= 1e-12).all()


@FAST
@given(HEAD_DIMS, THETAS)
def test_frequencies_start_at_1_and_fall(head_dim: int, theta: float) -> None:
    plain = plain_inv_freq(head_dim, theta)
    assert plain.dtype == torch.float64 and plain[0] == 1 and (plain.diff() < 0).all()
    assert torch.allclose(
        plain,
        torch.tensor([theta ** (-2 * j / head_dim) for j in range(head_dim // 2)], dtype=torch.float64),
        rtol=1e-13,
    )
    for kind in ("pi", "ntk", "yarn"):  # a factor of 1 changes nothing
        scaled, factor = scaled_inv_freq(head_dim, theta, RopeScaling(kind, 1.0, 64))  # type: ignore[arg-type]
        assert torch.allclose(scaled, plain, rtol=1e-14) and factor == 1


@FAST
@given(HEAD_DIMS, THETAS, FACTORS)
def test_pi_divides_all_and_ntk_only_the_last(head_dim: int, theta: float, factor: float) -> None:
    plain = plain_inv_freq(head_dim, theta)
    interpolated, _ = scaled_inv_freq(head_dim, theta, RopeScaling("pi", factor))
    assert torch.allclose(interpolated * factor, plain, rtol=1e-14)
    stretched, _ = scaled_inv_freq(head_dim, theta, RopeScaling("ntk", factor))
    assert stretched[0] == 1
    assert torch.isclose(stretched[-1] * factor, plain[-1], rtol=1e-9)


@pytest.mark.parametrize(("length", "pairs"), [(512, 11), (2048, 14), (8192, 17), (32_768, 20)])
def test_pairs_that_complete_a_turn(length: int, pairs: int) -> None:
    assert int((plain_inv_freq(64, 1e6) * length >= 2 * torch.pi).sum()) == pairs


@FAST
@given(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 2**32))
def test_rotations_keep_norms_and_add_up(first: int, second: int, seed: int) -> None:
    inv_freq = plain_inv_freq(64, 1e6)
    x = torch.randn(1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x /= x.norm()
    once = rotated(x, torch.tensor([first]), inv_freq)
    assert torch.allclose(once.norm(), x.norm(), rtol=1e-12)
    twice = rotated(once, torch.tensor([second]), inv_freq)
    assert (twice - rotated(x, torch.tensor([first + second]), inv_freq)).abs().max() < 1e-12
    assert torch.equal(rotated(x, torch.tensor([0]), inv_freq), x)


@FAST
@given(st.integers(0, 100_000), st.integers(0, 511), st.integers(0, 2**32))
def test_scores_depend_on_the_distance_only(start: int, distance: int, seed: int) -> None:
    inv_freq = plain_inv_freq(64, 1e6)
    query, key = torch.randn(2, 1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    def score(query_position: int, key_position: int) -> Tensor:
        turned = rotated(query, torch.tensor([query_position]), inv_freq)
        return (turned * rotated(key, torch.tensor([key_position]), inv_freq)).sum()

    assert (score(start + distance, start) - score(distance, 0)).abs() < 1e-9


def test_halves_and_neighbours_are_one_rotation_permuted() -> None:
    """The paper pairs neighbours (0, 1), (2, 3); checkpoints of Llama pair i with i + D/2."""
    x, inv_freq = torch.randn(3, 64, dtype=torch.float64), plain_inv_freq(64, 1e6)
    positions = torch.tensor([0, 7, 400])
    turns = torch.polar(torch.ones(3, 32, dtype=torch.float64), positions[:, None] * inv_freq)
    neighbours = torch.view_as_real(torch.view_as_complex(x.view(3, 32, 2)) * turns).flatten(1)
    order = torch.cat((torch.arange(0, 64, 2), torch.arange(1, 64, 2)))
    assert (rotated(x[:, order], positions, inv_freq) - neighbours[:, order]).abs().max() < 1e-12
    assert (rotated(x, positions, inv_freq) - neighbours)[1:].abs().max() > 0.1


def test_tables_are_fp32_whatever_the_weights_are() -> None:
    rotary = RotaryEmbedding(ModelConfig())
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        cos, sin = rotary.to(dtype)(torch.tensor([1000, 1001]))
        assert cos.dtype == sin.dtype == torch.float32 and cos.shape == (1, 2, 64)
        assert not torch.equal(sin[0, 0], sin[0, 1])  # in bf16 the two positions would be one
        exact = torch.tensor([1000.0, 1001.0], dtype=torch.float64)[:, None] * plain_inv_freq(64, 1e6)
        assert (cos[0, :, :32] - exact.cos()).abs().max() < 1e-4
    assert not list(rotary.state_dict())


def test_values_keep_their_dtype() -> None:
    cos, sin = RotaryEmbedding(ModelConfig())(torch.arange(5))
    assert apply_rope(torch.randn(2, 3, 5, 64, dtype=torch.bfloat16), cos, sin).dtype == torch.bfloat16
