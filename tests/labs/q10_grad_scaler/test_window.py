"""Gradients in the window of FP16: the cliff, what FP16 did beside the moved histogram, hooks, specimens."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labs.contract.fields import ParamError
from labs.q10_grad_scaler import claims, cliff
from labs.q10_grad_scaler.backward_passes import backward_passes, outlier
from labs.q10_grad_scaler.window import WindowParams, exponents_of_passes
from labs.tools.gradients import random_rows
from labs.tools.magnitudes import counts, histogram
from labs.tools.models import copied, untrained
from labs.tools.number_formats import shares
from minimind_core.files.checkpoint import load_model
from minimind_core.model.config import PRESETS, ModelConfig
from questions import load_question
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]


def passes(model: Any, rows: torch.Tensor, way: str, exponents: list[int]) -> Any:
    look = histogram if way == "fp32" else counts
    return backward_passes(model, rows, way, look, exponents, lambda _share: None)


# The cliff


def test_the_cliff_is_where_the_question_says() -> None:
    assert cliff.last_safe_tokens() == claims.cliff()["last_safe"] == 5242
    assert cliff.last_safe_tokens(2**10) == 2**15 - 1  # 2^-25 itself rounds to zero, ties to even
    assert cliff.vanished(5242) == 0 and cliff.vanished(5243) == 6399 / 6400
    assert 100 * cliff.vanished(5242, cliff.FRESH_DEVIATION) == pytest.approx(58.9, abs=0.05)
    assert 100 * cliff.vanished(16384, cliff.FRESH_DEVIATION) == pytest.approx(99.7, abs=0.05)


def test_the_cliff_is_measured_where_the_formula_has_it(result: Result) -> None:
    measured = result("window")["cliff"]
    assert measured["last_safe"] == 5242 and {5242, 5243} < set(measured["tokens"])
    for tokens, share in zip(measured["tokens"], measured["zero_logits"], strict=True):
        assert share == pytest.approx(cliff.vanished(tokens), abs=1e-7)
    assert measured["own_logits"] == sorted(measured["own_logits"])
    assert measured["own_logits"][0] == 0 < measured["own_logits"][-1]


@pytest.mark.parametrize("vocabulary", [1024, 6400, 32_000])
def test_uniform_logits_lose_all_or_none(vocabulary: int) -> None:
    last = cliff.measured_last_safe_tokens(vocabulary, "cpu")
    assert last == cliff.last_safe_tokens(vocabulary)
    logits, targets = torch.zeros(4, vocabulary), torch.zeros(4, dtype=torch.int64)
    for tokens in (1, last, last + 1, 4 * last):
        gone = 1 / (vocabulary * tokens) <= 2**-25
        share = cliff.zero_share(logits, targets, tokens)
        assert share == pytest.approx((vocabulary - 1) / vocabulary * gone)


@pytest.mark.parametrize("tokens", [5242, 5243])
def test_a_real_mean_over_all_rows_falls_off_the_same_cliff(tokens: int) -> None:
    """No factor here: so many rows, and torch's own mean."""
    logits = torch.zeros(tokens, 6400, dtype=torch.float16, requires_grad=True)
    with torch.autocast("cpu", torch.float16):
        loss = F.cross_entropy(logits, torch.zeros(tokens, dtype=torch.int64))
    loss.backward()
    assert loss.dtype == torch.float32 and logits.grad is not None
    share = float((logits.grad == 0).float().mean())
    assert share == pytest.approx(cliff.vanished(tokens), abs=1e-6)


# What FP16 did


def test_fp16_does_what_the_moved_histogram_says(result: Result) -> None:
    """As long as nothing overflows: rounding inside the backward pass shifts a few numbers only."""
    window = result("window")
    bins = np.sum([place["histogram"] for place in window["places"].values()], axis=0)
    zeros = sum(place["zeros"] for place in window["places"].values())
    passes, compared = window["fp16"], 0
    for index, exponent in enumerate(passes["exponents"]):
        counted = passes["counts"]["all"][index]
        assert counted.sum() == bins.sum() + zeros
        if passes["nonfinite_gradients"][index] == 0:
            expected, measured = shares(bins, zeros, exponent), counted / counted.sum()
            assert measured[0] == pytest.approx(expected["zero"], abs=0.05)
            assert measured[1] == pytest.approx(expected["subnormal"], abs=0.05)
            compared += 1
    assert compared > 3
    lost = [int(numbers[0]) for numbers in passes["counts"]["all"]]
    assert lost[0] > lost[3] > lost[6]


def test_groups_add_up_to_the_whole(result: Result) -> None:
    counted = result("window")["fp16"]["counts"]
    assert set(counted) == {"all", "logits", *map(str, range(PRESETS["byte-128"].num_layers))}
    parts = sum(numbers for group, numbers in counted.items() if group != "all")
    assert np.array_equal(parts, counted["all"])


def test_the_loss_and_parameter_gradients_are_fp32_all_along(result: Result) -> None:
    dtypes = result("window")["dtypes"]
    for name, between in (("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32")):
        assert dtypes[name] == {
            "logits": between,
            "loss": "float32",
            "grad_output": between,
            "parameter_grad": "float32",
        }


def test_bf16_swallows_the_updates_of_the_claim(result: Result) -> None:
    absorbed = result("window")["swallowed"]
    assert absorbed == {"fp32": 2**-24, "bf16": 2**-8, "fp16": 2**-11}
    claimed = load_question("q10_grad_scaler").claim("Q10-C28").value["swallowed"]  # type: ignore[index]
    assert round(absorbed["bf16"], 4) == float(claimed)


def test_moving_the_scale_needs_no_run(result: Result) -> None:
    still, moved = (result("window", {"scale_exponent": exponent})["view"] for exponent in (0, 20))
    assert (still["shift"], moved["shift"]) == (-14, 6)
    assert still["shares"]["zero"] > 0.1 > moved["shares"]["zero"]
    fewer = result("window", {"tokens_exponent": 4, "scale_exponent": 10})["view"]
    assert fewer["shares"] == moved["shares"] and fewer["shift"] == moved["shift"]  # only the quotient counts
    wide = result("window", {"precision": "bf16"})["view"]
    exact = result("window", {"precision": "fp32"})["view"]["shares"]
    assert wide["shares"] == exact and exact["zero"] < 0.01 and exact["subnormal"] == 0
    logits = result("window", {"where": "logits"})["view"]
    assert logits["shares"] == logits["layers"]["logits"] != still["shares"]
    assert (
        result("window", {"where": "7"})["view"]["shares"] == logits["shares"]
    )  # this model has fewer layers


def test_the_note_is_about_the_pass_closest_to_the_factor(result: Result) -> None:
    window = result("window", {"scale_exponent": 24, "tokens_exponent": 7})
    passes, at = window["fp16"], window["view"]["nearest"]
    assert window["view"]["shift"] == 17 and passes["exponents"][at] == 18
    hooks = [int(numbers[-1]) == 0 for numbers in passes["counts"]["all"]]
    assert passes["hooks_finite"] == hooks and {True, False} == set(hooks)
    _, measured, skips = shown("q10/window", window).notes
    infinite = passes["counts"]["all"][at][-1] / passes["counts"]["all"][at].sum()
    assert "run at 2¹⁸" in measured and f"{100 * infinite:.3g}% Inf or NaN" in measured
    assert skips.startswith(f"{passes['nonfinite_gradients'][at]:,} elements") and not hooks[at]
    assert len(shown("q10/window", result("window")).notes) == 2  # where all fits


def test_the_bars_of_a_kind_lie_in_its_window_and_add_up_to_its_share(result: Result) -> None:
    window = result("window", {"scale_exponent": 10})
    traces = shown("q10/window", window).figures["histogram"].data
    bars, words = traces[:4], traces[-4:]
    edges = (-math.inf, -25, -14, 16, math.inf)
    view = window["view"]
    zeros = 1 - float(np.sum(view["histogram"]))
    for bar, (low, high), kind in zip(bars, itertools.pairwise(edges), view["shares"], strict=True):
        assert all(low <= exponent < high for exponent in bar["x"])
        share = sum(bar["y"]) + 100 * zeros * (kind == "zero")
        assert share == pytest.approx(100 * view["shares"][kind], abs=1e-3)
    fits = 100 * view["shares"]["normal"]
    assert fits > 1 and words[2]["text"] == [f"fits<br><b>{fits:.3g}%</b>"]


# Specimens and hooks


def test_the_outlier_is_the_same_function_and_no_fp16_number_holds_it() -> None:
    model = load_model("nano-rope").model
    specimens = copied(model), outlier(copied(model))
    rows = torch.arange(3, 20)[None]
    losses = {
        way: [passes(specimen, rows, way, [0]).loss for specimen in specimens]
        for way in ("fp32", "bf16", "fp16")
    }
    assert losses["fp32"][0] == losses["fp32"][1] and losses["bf16"][0] == losses["bf16"][1]
    assert losses["fp32"][0] == pytest.approx(losses["bf16"][0], rel=0.02)
    assert math.isfinite(losses["fp16"][0]) and math.isnan(losses["fp16"][1])


def test_in_a_mixture_every_expert_of_the_block_is_the_outlier() -> None:
    model = untrained(PRESETS["toy"].replace(num_experts=3), torch.device("cpu"))
    specimen, ids = outlier(copied(model)), torch.arange(3, 20)[None]
    assert torch.equal(specimen(ids), model(ids))
    pairs = zip(model.model.layers[2].mlp.experts, specimen.model.layers[2].mlp.experts, strict=True)
    assert all(torch.equal(after.up_proj.weight, before.up_proj.weight * 2**20) for before, after in pairs)


def test_no_scale_mends_the_outlier(result: Result) -> None:
    window, trained = result("window", specimen="outlier"), result("window", specimen="trained")
    assert window["fp16"]["nonfinite_gradients"] and all(window["fp16"]["nonfinite_gradients"])
    assert window["loss"]["fp32"] == trained["loss"]["fp32"]
    note = shown("q10/window", window).notes[-1]
    losses = window["loss"]
    assert f"{losses['fp32']:.5f} in FP32, {losses['bf16']:.5f} in BF16, NaN in FP16" in note
    assert f"{losses['fp32']:.5f}" != f"{losses['bf16']:.5f}"


def test_hooks_may_see_nothing_while_a_weight_gradient_overflows() -> None:
    """The 26M, untrained, at 2^14 on the summed loss: the claim of the question, and its own note."""
    model = untrained(ModelConfig(), "cpu")
    seen = passes(model, random_rows(model, 1, 12), "fp16", [10, 14, 15])
    hooks = [sum(numbers[index][-1] for numbers in seen.places.values()) for index in range(3)]
    assert hooks[0] == seen.nonfinite[0] == 0
    assert any(inside == 0 < outside for inside, outside in zip(hooks, seen.nonfinite, strict=True))


def test_every_grid_has_scale_one_at_the_default_tokens() -> None:
    for every in (4, 2, 1):
        exponents = exponents_of_passes(every)
        assert -WindowParams().tokens_exponent in exponents and exponents == sorted(exponents)
        assert {b - a for a, b in itertools.pairwise(exponents)} == {every}


@pytest.mark.parametrize("settings", [{"scale_exponent": 25}, {"specimen": "none"}, {"every": 3}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ParamError):
        WindowParams.from_dict(settings)
