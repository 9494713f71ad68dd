"""Question 7's formulas and parameters: frequencies, treatments, what rounding predicts, bad input."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract.fields import ParamError
from labs.q07_rope import analytic, claims
from labs.q07_rope.params import (
    LOW_BASE,
    LOW_FACTOR,
    ODD,
    InvarianceParams,
    LengthsParams,
    ShiftParams,
    SpectrumParams,
)
from labs.q07_rope.scaling import (
    UPSTREAM,
    frequencies,
    kept_share,
    multipliers,
    read_scaling,
    temperature,
    wavelengths,
)
from labs.tools.line_ends import GAP, spread
from labs.tools.ticks import power_ticks, round_ticks
from minimind_core.errors import ConfigError
from minimind_core.model.config import RopeScaling
from minimind_core.model.rope import scaled_inv_freq

HEAD_DIMS = st.sampled_from([8, 16, 32, 64, 128])
BASES = st.sampled_from([1e2, 1e4, 5e5, 1e6, 1e8])
FACTORS = st.floats(1, 64)
LENGTHS = st.integers(64, 32_768)
KINDS = st.sampled_from(["pi", "ntk", "yarn"])
FAST = settings(deadline=None, max_examples=60)


# Frequencies and what stretches them


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
    assert temperature(scaling) == {"factor": 1, "logits": 1, "temperature": 1}


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


def test_the_spectrum_agrees_with_the_independent_claims() -> None:
    result = analytic.spectrum(SpectrumParams())
    assert result["full_turns"] == 11 == claims.full_turns()["turned"][0] and result["unfinished"] == 21
    assert result["bands"] == {"yarn": claims.yarn_bands(512), "custom": claims.yarn_bands(2048)}
    assert result["target"]["custom"] == 32_768 and result["target"]["yarn"] == 8192
    assert result["temperature"]["yarn"] == pytest.approx(claims.temperature())
    assert result["temperature"]["custom"]["factor"] == 1
    assert result["wavelength"][-1] == pytest.approx(claims.spectrum()["wavelength"])
    turned = [
        analytic.spectrum(SpectrumParams(length=length))["full_turns"] for length in (512, 2048, 8192, 32_768)
    ]
    assert turned == claims.full_turns()["turned"]
    assert analytic.spectrum(SpectrumParams(temperature=False))["temperature"]["yarn"]["factor"] == 1
    assert "custom" not in analytic.spectrum(SpectrumParams(custom=""))["multipliers"]


def test_equal_borders_do_not_divide_by_zero() -> None:
    share = kept_share(8, 1e8, RopeScaling("yarn", 4, 512, beta_fast=1.01, beta_slow=1))
    assert np.isfinite(share).all() and set(np.unique(share)) <= {0.0, 1.0}


# The dictionary of a config.json


def test_a_dictionary_is_read_as_transformers_writes_it() -> None:
    assert read_scaling(UPSTREAM) == RopeScaling("yarn", 16, 2048, attention_factor=1.0)
    assert read_scaling('{"type": "linear", "factor": 4}') == RopeScaling("pi", 4)
    assert read_scaling('{"rope_type": "default"}') is None is read_scaling("  ")
    unset = '{"rope_type": "yarn", "factor": 2, "attention_factor": null}'
    assert read_scaling(unset) == RopeScaling("yarn", 2)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{oops", "The dictionary is not readable"),
        ("[1]", "The dictionary is not readable"),
        ('{"factor": 2}', "rope_type None is not known here"),
        ('{"rope_type": "longrope"}', "rope_type 'longrope' is not known here"),
        ('{"rope_type": ["yarn"]}', "is not known here"),
        ('{"rope_type": "yarn", "speed": 2}', "'speed' is not known here"),
        ('{"rope_type": "yarn", "factor": "16"}', "'factor' must be a number"),
        ('{"rope_type": "yarn", "factor": NaN}', "'factor' must be a number"),
        ('{"rope_type": "yarn", "factor": null}', "'factor' must be a number"),
        ('{"rope_type": "yarn", "factor": 0.5}', LOW_FACTOR),
    ],
)
def test_a_bad_dictionary_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]+$") as error:
        read_scaling(text)
    assert sentence in str(error.value)
    with pytest.raises(ParamError):
        SpectrumParams(custom=text)


# What rounding predicts


def test_gaps_are_those_of_the_types() -> None:
    for dtype, bits in ((torch.float64, 53), (torch.float32, 24), (torch.bfloat16, 8)):
        values = torch.tensor([1.0, 3.0, 256.0, 1000.0], dtype=dtype)
        after = torch.tensor([1.0, 2.0, 256.0, 512.0], dtype=torch.float64) * torch.finfo(dtype).eps
        np.testing.assert_array_equal(analytic.gap(values.double().numpy(), bits), after.numpy())


def test_the_predicted_error_grows_as_it_should() -> None:
    formula = analytic.invariance(InvarianceParams())["formula"]
    for name in ("fp64", "fp32"):  # in proportion to the position
        assert 300 < formula[name][-1] / formula[name][len(formula[name]) // 2] < 3000
    assert formula["bf16_values"].max() < 2 * formula["bf16_values"].min()
    assert formula["bf16_angles"][-1] > 10 * formula["bf16_values"][-1] > formula["fp32"][0]


@FAST
@given(st.integers(0, 511))
def test_the_prediction_is_finite_at_every_distance(distance: int) -> None:
    for values in analytic.invariance(InvarianceParams(distance=distance))["formula"].values():
        assert np.isfinite(values).all() and (values > 0).all() and (values < 2).all()


# Bad input


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (SpectrumParams, {"head_dim": 63}, ODD),
        (SpectrumParams, {"base": 1}, LOW_BASE),
        (SpectrumParams, {"base": "-4"}, LOW_BASE),
        (SpectrumParams, {"factor": 0.5}, LOW_FACTOR),
        (SpectrumParams, {"beta_fast": 1, "beta_slow": 1}, "beta_fast must be larger than beta_slow."),
        (LengthsParams, {"factor": "0.5"}, LOW_FACTOR),
        (LengthsParams, {"factor": -1}, LOW_FACTOR),
        (
            LengthsParams,
            {"reach": "3000"},
            "The longest length must be one of 512, 1024, 2048, 4096 and 8192 tokens.",
        ),
        (
            LengthsParams,
            {"model": "nano-mha"},
            "model must be one of nano-rope, nano-rope-1e4, byte-128, minimind-26m, not 'nano-mha'.",
        ),
        (InvarianceParams, {"distance": 512}, "distance must be at most 511, not 512."),
        (ShiftParams, {"tokens": 100}, "tokens must be one of 64, 128, 256, 512, not 100."),
    ],
)
def test_bad_input_is_one_sentence(kind: Any, data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamError) as error:
        kind.from_dict(data)
    assert str(error.value) == sentence
    kind.clamp(data)  # the address bar never fails


# Names at the ends of lines


@FAST
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9))
def test_names_are_moved_apart_and_keep_their_order(places: list[float]) -> None:
    moved = spread(places, GAP)
    assert sorted(range(len(places)), key=places.__getitem__) == sorted(
        range(len(moved)), key=moved.__getitem__
    )
    assert (np.diff(sorted(moved)) >= GAP - 1e-9).all()
    if (np.diff(sorted(places)) >= GAP).all():
        assert moved == pytest.approx(places)


def test_ticks_lie_within_the_axis() -> None:
    assert power_ticks(1e-7, 2, every=3)["ticktext"] == ["10<sup>-6</sup>", "10<sup>-3</sup>", "1"]
    assert round_ticks(7, 120) == {"tickvals": [10, 20, 50, 100], "ticktext": ["10", "20", "50", "100"]}


def test_the_formula_side_needs_no_torch() -> None:
    code = (
        "import sys, labs.q07_rope, labs.q07_rope.analytic, labs.q07_rope.figures, labs.q07_rope.view, "
        "labs.q07_rope.live, labs.q07_rope.notes, labs.q07_rope.tables, labs.q07_rope.numbers; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
