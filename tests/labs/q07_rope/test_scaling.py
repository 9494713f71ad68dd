"""Frequencies, what stretches them, and the dictionary of a config.json."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract import ParamError
from labs.q07_rope.scaling import (
    LOW_FACTOR,
    UPSTREAM,
    frequencies,
    kept_share,
    multipliers,
    read_scaling,
    temperature,
    wavelengths,
)
from labs.q07_rope.spectrum import SpectrumParams
from minimind_core.errors import ConfigError
from minimind_core.model.config import RopeScaling
from minimind_core.model.rope import scaled_inv_freq

HEAD_DIMS = st.sampled_from([8, 16, 32, 64, 128])
BASES = st.sampled_from([1e2, 1e4, 5e5, 1e6, 1e8])
FACTORS = st.floats(1, 64)
LENGTHS = st.integers(64, 32_768)
KINDS = st.sampled_from(["pi", "ntk", "yarn"])
FAST = settings(deadline=None, max_examples=60)


@FAST
@given(HEAD_DIMS, BASES)
def test_frequencies_are_powers_of_the_base(head_dim: int, base: float) -> None:
    theta = frequencies(head_dim, base)
    assert theta[0] == 1 and (np.diff(theta) < 0).all()
    np.testing.assert_allclose(theta, [base ** (-2 * j / head_dim) for j in range(head_dim // 2)], rtol=1e-12)
    np.testing.assert_allclose(wavelengths(head_dim, base) * theta, 2 * np.pi, rtol=1e-12)


@FAST
@given(HEAD_DIMS, BASES, FACTORS, LENGTHS, KINDS)
def test_the_formula_is_what_the_core_does(
    head_dim: int, base: float, factor: float, length: int, kind: Any
) -> None:
    scaling = RopeScaling(kind, factor, length)
    stretched, on_cos = scaled_inv_freq(head_dim, base, scaling)
    expected = frequencies(head_dim, base) * multipliers(head_dim, base, scaling)
    np.testing.assert_allclose(stretched.numpy(), expected, rtol=1e-12)
    assert temperature(scaling)["factor"] == pytest.approx(on_cos)


@FAST
@given(HEAD_DIMS, BASES, FACTORS, LENGTHS)
def test_yarn_falls_from_one_to_one_over_the_factor(
    head_dim: int, base: float, factor: float, length: int
) -> None:
    values = multipliers(head_dim, base, RopeScaling("yarn", factor, length))
    assert (values <= 1 + 1e-12).all() and (values >= 1 / factor - 1e-12).all()
    assert (np.diff(values) <= 1e-12).all()


def test_yarn_at_the_defaults_keeps_the_first_and_divides_the_last() -> None:
    values = multipliers(64, 1e6, RopeScaling("yarn", 16, 512))
    assert values[0] == 1 and values[-1] == 1 / 16


@FAST
@given(HEAD_DIMS, BASES, KINDS, LENGTHS)
def test_a_factor_of_one_changes_nothing(head_dim: int, base: float, kind: Any, length: int) -> None:
    scaling = RopeScaling(kind, 1, length)
    np.testing.assert_allclose(multipliers(head_dim, base, scaling), 1, rtol=1e-12)
    assert temperature(scaling) == {"factor": 1, "logits": 1}


@FAST
@given(HEAD_DIMS, BASES, FACTORS, st.integers(0, 100_000))
def test_pi_at_a_multiple_is_plain_and_ntk_divides_only_the_last(
    head_dim: int, base: float, factor: float, position: int
) -> None:
    plain = frequencies(head_dim, base)
    squeezed = plain * multipliers(head_dim, base, RopeScaling("pi", factor))
    np.testing.assert_allclose(factor * position * squeezed, position * plain, rtol=1e-12)
    ntk = multipliers(head_dim, base, RopeScaling("ntk", factor))
    assert ntk[0] == 1 and ntk[-1] * factor == pytest.approx(1)
    stretched = base * factor ** (head_dim / (head_dim - 2))
    np.testing.assert_allclose(ntk * plain, frequencies(head_dim, stretched))


@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn"])
@pytest.mark.parametrize("factor", [1.0, 4.0, 16.0])
def test_treatments_equal_transformers_initialisers(kind: str, factor: float) -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {"rope_type": kind, "rope_theta": 1e6, "factor": factor}
    if kind == "yarn":
        rope["original_max_position_embeddings"] = 512
    config = transformers.LlamaConfig(
        hidden_size=256, num_attention_heads=4, head_dim=64, max_position_embeddings=512, rope_parameters=rope
    )
    theirs, on_cos = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=1024)
    # their dynamic NTK at twice the length has this static factor
    ours = {
        "linear": RopeScaling("pi", factor),
        "yarn": RopeScaling("yarn", factor, 512),
        "dynamic": RopeScaling("ntk", factor * 2 - (factor - 1)),
    }[kind]
    values = frequencies(64, 1e6) * multipliers(64, 1e6, ours)
    np.testing.assert_allclose(theirs.numpy(), values, rtol=2e-6)
    assert temperature(ours)["factor"] == pytest.approx(on_cos)


def test_equal_borders_do_not_divide_by_zero() -> None:
    share = kept_share(8, 1e8, RopeScaling("yarn", 4, 512, beta_fast=1.01, beta_slow=1))
    assert np.isfinite(share).all() and set(np.unique(share)) <= {0.0, 1.0}


# The dictionary of a config.json


def test_a_dictionary_is_read_as_transformers_writes_it() -> None:
    assert read_scaling(UPSTREAM, 512, 1e6) == RopeScaling("yarn", 16, 2048, attention_factor=1.0)
    linear = read_scaling('{"type": "linear", "factor": 4}', 512, 1e6)
    assert linear is not None and (linear.kind, linear.factor) == ("pi", 4)
    assert read_scaling('{"rope_type": "default"}', 512, 1e6) is None is read_scaling("  ", 512, 1e6)
    unset = '{"rope_type": "yarn", "factor": 2, "attention_factor": null, "beta_fast": null}'
    assert read_scaling(unset, 512, 1e6) == RopeScaling("yarn", 2)


def test_what_a_dictionary_leaves_out_is_the_length_and_base_of_the_page() -> None:
    short = '{"type": "yarn", "factor": 4.0, "rope_theta": 10000}'
    params = SpectrumParams(custom=short, original=2048, base=1e4)
    assert params.treatments()["custom"] == RopeScaling("yarn", 4.0, 2048)
    with pytest.raises(ParamError, match="rope_theta is 10000 and the base is 1e"):
        SpectrumParams(custom=short, original=2048, base=1e6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{oops", "The dictionary is not readable"),
        ("[1]", "The dictionary is not readable"),
        ('{"factor": 2}', "rope_type None is not computed here"),
        ('{"rope_type": "longrope"}', "rope_type 'longrope' is not computed here"),
        ('{"rope_type": ["yarn"]}', "is not computed here"),
        ('{"rope_type": "yarn", "speed": 2}', "'speed' in the RoPE dictionary is not computed here"),
        ('{"rope_type": "yarn", "factor": "16"}', "'factor' in the RoPE dictionary must be a number"),
        ('{"rope_type": "yarn", "factor": NaN}', "'factor' in the RoPE dictionary must be a number"),
        ('{"rope_type": "yarn", "factor": null}', "lacks 'factor'"),
        ('{"rope_type": "yarn"}', "lacks 'factor'"),
        ('{"rope_type": "yarn", "factor": 1e308}', "'factor' in the RoPE dictionary must be a number"),
        ('{"rope_type": "yarn", "factor": 10e307}', "'factor' in the RoPE dictionary must be a number"),
        (
            f'{{"rope_type": "yarn", "factor": 1{"0" * 400}}}',
            "'factor' in the RoPE dictionary must be a number",
        ),
        ('{"rope_type": "yarn", "factor": 2, "beta_fast": 1e308, "beta_slow": 1e-308}', "'beta_fast' in the"),
        ('{"rope_type": "yarn", "factor": 2, "beta_slow": 1e-308}', "beta_fast must be larger"),
        ("[" * 300, "The dictionary is not readable"),
        ('{"rope_type": "yarn", "factor": 0.5}', LOW_FACTOR),
    ],
)
def test_a_bad_dictionary_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]+$") as error:
        read_scaling(text, 512, 1e6)
    assert sentence in str(error.value)
    with pytest.raises(ParamError):
        SpectrumParams(custom=text)
