"""Eps, clipping, a score and a mask: what the small panels say is what torch does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labs.q11_nan import masking
from labs.q11_nan.clipping import EXAMPLES
from labs.q11_nan.eps import powers
from labs.q11_nan.formats import FORMATS, ORDERS, clip, gain, masked_mean, rms_norm, score
from labs.q11_nan.masked_mean import DENOMINATORS, MASKINGS
from labs.q11_nan.masks import WAYS, read_mask
from labs.q11_nan.typed_numbers import read_numbers
from tests.labs.one_lab import OneLab, Run

DTYPES = masking.DTYPES
EMPTY_ROW = "1000 0000 1110 1111"
every_format = pytest.mark.parametrize("name", FORMATS)


def torch_norm(x: Tensor, eps: float) -> Tensor:
    """RMSNorm as one writes it, in the dtype of x."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


@every_format
@pytest.mark.parametrize("eps", [0.0, 1e-8, 1e-6, 1e-5, 1e-2])
def test_the_norm_is_that_of_torch_in_every_format(name: str, eps: float) -> None:
    entries = [0.0, 1e-6, 1e-4, 0.01, 1.0, 200.0, 300.0, 1e3]
    theirs = torch_norm(torch.tensor(entries, dtype=DTYPES[name])[:, None].expand(-1, 8), eps)[:, 0]
    step = float(torch.finfo(DTYPES[name]).eps)
    np.testing.assert_allclose(rms_norm(entries, eps, name), theirs.float().numpy(), rtol=4 * step, atol=1e-7)


@pytest.mark.parametrize("rms", [0.0, 0.001, 0.1])
@pytest.mark.parametrize("eps", [1e-8, 1e-5, 1e-2])
def test_the_gain_is_the_largest_singular_value_of_autograds_jacobian(rms: float, eps: float) -> None:
    x = torch.full((4,), rms, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: torch_norm(x, eps), x)
    assert float(torch.linalg.matrix_norm(jacobian, 2)) == pytest.approx(gain(rms, eps), rel=1e-9)


def test_a_smaller_eps_lets_more_through_and_makes_no_nan(result: Run) -> None:
    gains = [result("eps", {"eps_power": power})["view"]["gain"] for power in powers()]
    assert gains == sorted(gains, reverse=True) and gains[powers().index(-6)] == pytest.approx(1000)
    assert result("eps", {"eps_power": -12})["view"]["zero_output"] == 0
    assert result("eps", {"no_eps": True})["view"]["zero_output"] == "NaN"


def test_half_precision_has_no_eps_of_a_hundred_millionth_and_loses_large_inputs(
    lab: OneLab, result: Run
) -> None:
    half = result("eps", {"eps_power": -8, "number_format": "fp16", "input_power": 3})
    assert half["view"]["held"] == 0 and half["view"]["zero_output"] == "NaN" and half["view"]["output"] == 0
    notes = " ".join(lab.show("eps", half).notes)
    assert "has no number as small as ε = 10⁻⁸" in notes and "No NaN shows it" in notes


# --- clipping ---


@every_format
@pytest.mark.parametrize("typed", [*EXAMPLES, "0, 0", "60000, 60000", "-0.1, 0.2", "-inf, inf", "nan"])
@pytest.mark.parametrize("limit", [0.1, 1.0])
def test_a_clipped_gradient_is_that_of_clip_grad_norm(name: str, typed: str, limit: float) -> None:
    weight = torch.nn.Parameter(torch.zeros(len(read_numbers(typed, "gradient")), dtype=DTYPES[name]))
    weight.grad = torch.tensor(read_numbers(typed, "gradient"), dtype=DTYPES[name])
    norm, _, after = clip(read_numbers(typed, "gradient"), limit, name)
    theirs = float(torch.nn.utils.clip_grad_norm_([weight], limit))
    step = float(torch.finfo(DTYPES[name]).eps)
    assert norm == pytest.approx(theirs, rel=2 * step, nan_ok=True)
    np.testing.assert_allclose(after, weight.grad.float().numpy(), rtol=4 * step)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.floats(0.1, 10))
def test_a_finite_gradient_ends_within_the_limit(gradient: list[float], limit: float) -> None:
    _, _, after = clip(gradient, limit)
    assert float(np.linalg.norm(after)) <= limit * (1 + 1e-6)


def test_the_sandbox_tells_the_outcomes_apart(lab: OneLab, result: Run) -> None:
    outcomes = [example["outcome"] for example in result("clipping")["view"]["examples"]]
    assert outcomes == ["shorter", "nan", "nan", "lost"]
    assert result("clipping", {"gradient": "0.3"})["view"]["outcome"] == "as_it_was"
    assert "repairs nothing" in lab.show("clipping", result("clipping")).notes[0]
    assert len(lab.show("clipping", result("clipping")).rows) == 1 + len(EXAMPLES)


@pytest.mark.parametrize(
    ("typed", "said"), [("", "Type 1 to 8 numbers"), ("1," * 9, "here are 9"), ("4, x", "x is no number")]
)
def test_what_is_no_gradient_is_refused_in_a_sentence(lab: OneLab, typed: str, said: str) -> None:
    assert said in lab.refused("clipping", gradient=typed)


# --- a score ---


def torch_score(entry: float, head_dim: int, order: str, dtype: torch.dtype) -> float:
    q = torch.full((head_dim,), entry).to(dtype)
    if order == "scaled_before":
        return float((q / math.sqrt(head_dim)) @ q)
    if order == "cast_before":
        return float(q.float() @ q.float() / math.sqrt(head_dim))
    return float((q @ q).float() / math.sqrt(head_dim))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["bf16", "fp16"])
@pytest.mark.parametrize("entry", [1, 31, 32, 40, 256, 400])
def test_a_score_is_that_of_torch(entry: int, name: str, order: str) -> None:
    theirs = torch_score(entry, 64, order, DTYPES[name])
    assert score(entry, 64, order, name)[1] == pytest.approx(theirs, rel=0.02)


def test_the_last_entry_that_fits_is_the_one_that_is_said(result: Run) -> None:
    fits = result("scores", {"entry": 40})["view"]["fits_up_to"]
    for entry, said in ((fits, False), (fits + 1, True)):
        view = result("scores", {"entry": entry})["view"]["orders"]
        assert (view["cast_after"]["score"] == "Inf") is said
        assert view["cast_before"]["score"] == entry**2 * 8


# --- a mask ---


@every_format
@pytest.mark.parametrize("way", [way for way in WAYS if way != "product"])
def test_without_an_empty_row_every_way_is_the_fused_kernel(name: str, way: str) -> None:
    mask = read_mask("1000 0100 1110 1111")
    mine, fused = (masking.attend(mask, one, name, "cpu", 0) for one in (way, "fused"))
    np.testing.assert_allclose(mine["weights"], fused["weights"], atol=0.01)
    np.testing.assert_allclose(mine["weights"].sum(1), 1, atol=0.01)
    assert mine["bad_output"] == 0 and not any(mine["bad_gradients"].values())


def test_zero_times_inf_spoils_every_mask(result: Run) -> None:
    for mask in ("1", "10 11", EMPTY_ROW):
        assert np.isnan(result("mask", mask=mask)["ways"]["product"]["weights"]).all()


def test_an_empty_row_spoils_gradients_of_rows_that_are_all_right(result: Run) -> None:
    """That of V where it is filled in, all three where it is added; the product spoils the outputs too."""
    ways = result("mask", mask=EMPTY_ROW)["ways"]
    spoiled = {name: {of for of, bad in way["bad_gradients"].items() if bad} for name, way in ways.items()}
    assert spoiled["by_hand"] == {"v"} and spoiled["added"] == spoiled["product"] == {"q", "k", "v"}
    assert not any(spoiled[name] for name in ("guarded", "fused", "minus_1e9", "lowest"))
    assert [name for name, way in ways.items() if way["bad_output"]] == ["product"]
    half = result("mask", mask=EMPTY_ROW, number_format="fp16")["ways"]
    assert half["minus_1e9"]["bad_weights"] == half["lowest"]["bad_weights"] == 4


def test_the_gradients_are_autograds_on_the_rows_that_see(result: Run) -> None:
    """By hand in FP64: the guarded way sends back what a model without the empty query does."""
    random = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(3, 4, generator=random, dtype=torch.float64).requires_grad_() for _ in range(3))
    mask = torch.tensor([[1, 0, 0], [0, 0, 0], [1, 1, 1]], dtype=torch.bool)
    seen = mask.any(-1)
    mine = torch.autograd.grad(masking.output(q, k, v, mask, "guarded")[seen].sum(), (q, k, v))
    plain = F.scaled_dot_product_attention(q[seen][None], k[None], v[None], attn_mask=mask[seen])[0]
    for one, other in zip(mine, torch.autograd.grad(plain.sum(), (q, k, v)), strict=True):
        torch.testing.assert_close(one, other)


def test_a_way_says_what_it_does(lab: OneLab, result: Run) -> None:
    said = {way: lab.show("mask", result("mask", {"way": way}, mask=EMPTY_ROW)).notes for way in WAYS}
    assert "the gradient of V NaN" in said["by_hand"][1] and "of Q, K, V NaN" in said["added"][1]
    assert "reaches rows" in said["product"][1] and "all gradients, are finite" in said["fused"][1]
    assert "forbidden ones" in said["minus_1e9"][2] and len(said["guarded"]) == 3


@pytest.mark.parametrize("typed", ["", "10", "10 2a", "10 1", "1" * 9])
def test_what_is_no_mask_is_refused_in_a_sentence(lab: OneLab, typed: str) -> None:
    assert "write it as 100 110 111" in lab.refused("mask", mask=typed)


# --- a masked mean ---


@every_format
@pytest.mark.parametrize("marks", [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
@pytest.mark.parametrize("last", [4.0, math.inf, math.nan])
def test_a_masked_mean_is_that_of_torch_however_it_is_written(
    name: str, marks: list[float], last: float
) -> None:
    losses, mask = (torch.tensor(values, dtype=DTYPES[name]) for values in ([2.0, 3.0, last], marks))
    sums = {"multiplied": (losses * mask).sum(), "chosen": torch.where(mask == 1, losses, 0).sum()}
    counts = {"plain": mask.sum(), "tiny": mask.sum() + 1e-8, "clamped": mask.sum().clamp(min=1)}
    for way in MASKINGS:
        for denominator in DENOMINATORS:
            theirs = float(sums[way] / counts[denominator])
            ours = masked_mean([2.0, 3.0, last], marks, way, denominator, name)
            assert ours == pytest.approx(theirs, rel=0.01, nan_ok=True), (way, denominator)


def test_only_the_chosen_and_clamped_mean_is_finite_in_every_format(lab: OneLab, result: Run) -> None:
    for name, tiny in (("fp32", 0), ("fp16", "NaN")):
        seen = result("masked_mean", {"number_format": name})
        assert seen["view"]["means"]["chosen"] == {"plain": "NaN", "tiny": tiny, "clamped": 0}
        assert set(seen["view"]["means"]["multiplied"].values()) == {"NaN"}
    notes = " ".join(lab.show("masked_mean", seen).notes)
    assert "No loss counts" in notes and "FP16 has no 10⁻⁸" in notes and "0 times Inf" in notes


def test_a_loss_that_counts_and_is_infinite_is_no_fault_of_the_mask(lab: OneLab, result: Run) -> None:
    notes = lab.show("masked_mean", result("masked_mean", {"counted": "1, 1, 1"})).notes
    assert notes[0] == "Losses that count: 3." and len(notes) == 2


@pytest.mark.parametrize("marks", ["1, 0", "1, 0, 2", "1 0 x", ""])
def test_marks_that_do_not_fit_are_refused_in_a_sentence(lab: OneLab, marks: str) -> None:
    said = lab.refused("masked_mean", counted=marks)
    assert "Give each loss a 1" in said or "number" in said
