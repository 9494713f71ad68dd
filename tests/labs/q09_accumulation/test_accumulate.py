"""Accumulated gradients against plain loops of torch, first updates by every recipe, and what is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from labs.contract.fields import ParamError
from labs.contract.registry import flatten
from labs.q09_accumulation import window_gradients as window
from labs.q09_accumulation.accumulate import Accumulate, AccumulateParams
from labs.q09_accumulation.recipe_figures import token_weights
from labs.q09_accumulation.token_counts import MOST_STEPS, read_counts
from labs.tools.gradients import norm, random_rows, relative_error
from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import Run, shown

Result = Callable[..., dict[str, Any]]
MODEL = untrained(TINY, "cpu").double()
ERRORS = dict(
    flatten(tomllib.loads((Path(window.__file__).parent / "errors_zh.toml").read_text(encoding="utf-8")))
)
EQUAL = "6, 6, 6, 6, 6, 6, 6, 6"
UNEQUAL = "12, 3, 7, 1"


def accumulated(counts: Sequence[int], model: MiniMind = MODEL) -> dict[str, list[torch.Tensor]]:
    rows, grads = random_rows(model, len(counts), max(counts)), window.Accumulator(model, counts)
    for row, count in zip(rows, counts, strict=True):
        if count:
            grads.add(window.micro_gradient(model, row, count)[1], count)
        else:
            grads.add_empty()
    return grads.gradients()


def by_plain_loop(counts: Sequence[int], divide_by: float, *, mean: bool) -> list[torch.Tensor]:
    """What one would write: `backward` of every micro-batch into `.grad`."""
    MODEL.zero_grad(set_to_none=True)
    for row, count in zip(random_rows(MODEL, len(counts), max(counts)), counts, strict=True):
        logits = MODEL(row[None, :count])[0]
        loss = cross_entropy(logits, row[1 : count + 1], reduction="mean" if mean else "sum")
        (loss / divide_by).backward()
    found = [parameter.grad for parameter in MODEL.parameters() if parameter.grad is not None]
    MODEL.zero_grad(set_to_none=True)
    return found


def big_batch(counts: Sequence[int]) -> list[torch.Tensor]:
    return window.big_batch_gradient(MODEL, random_rows(MODEL, len(counts), max(counts)), counts)


@pytest.mark.parametrize("counts", [[5] * 4, [12, 3, 7, 1]])
def test_every_recipe_is_the_loop_that_one_would_write(counts: list[int]) -> None:
    ours, steps = accumulated(counts), len(counts)
    loops = {
        "loss": by_plain_loop(counts, steps, mean=True),
        "none": by_plain_loop(counts, 1, mean=True),
        "tokens": by_plain_loop(counts, sum(counts), mean=False),
    }
    for recipe, loop in loops.items():
        assert relative_error(ours[recipe], loop) < 1e-12, recipe
    assert relative_error(ours["end"], loops["loss"]) < 1e-12
    assert ours["rate"] is ours["none"]


def test_with_equal_counts_division_is_the_big_batch_and_its_lack_a_factor() -> None:
    counts = [5] * 6
    ours, true = accumulated(counts), big_batch(counts)
    assert relative_error(ours["loss"], true) < 1e-12
    assert relative_error(ours["none"], [6 * tensor for tensor in true]) < 1e-12
    assert window.cosine(ours["none"], true) == pytest.approx(1, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any))
def test_dividing_by_all_tokens_is_right_for_any_counts(counts: list[int]) -> None:
    """An empty micro-batch adds nothing to it, and makes a mean of means NaN."""
    ours, true = accumulated(counts), big_batch(counts)
    assert relative_error(ours["tokens"], true) < 1e-12
    assert torch.isfinite(torch.tensor(norm(ours["loss"]))).item() is (0 not in counts)
    if len(set(counts)) == 1:
        assert relative_error(ours["loss"], true) < 1e-12


def test_a_window_of_one_is_the_same_by_every_recipe() -> None:
    ours = accumulated([7])
    for recipe in ("end", "rate", "none", "tokens"):
        assert relative_error(ours[recipe], ours["loss"]) < 1e-12, recipe


def test_dividing_at_the_end_is_equal_bit_by_bit_for_powers_of_two_only() -> None:
    single = untrained(TINY, "cpu")
    eight, six = (accumulated([4] * steps, single) for steps in (8, 6))
    assert window.same_bits(eight["end"], eight["loss"])
    assert not window.same_bits(six["end"], six["loss"])
    assert relative_error(six["end"], six["loss"]) < 1e-6


@pytest.mark.parametrize("clip", [None, 1.0, 0.1])
@pytest.mark.parametrize("optimizer", window.OPTIMIZERS)
def test_the_first_update_is_that_of_torch_on_the_whole_model(optimizer: str, clip: float | None) -> None:
    gradient = [3 * tensor for tensor in accumulated([5, 2])["loss"]]
    size = window.first_update(MODEL, gradient, optimizer, learning_rate=1e-2, clip=clip, check=lambda: None)
    model = untrained(TINY, "cpu").double()
    for parameter, tensor in zip(model.parameters(), gradient, strict=True):
        parameter.grad = tensor.clone()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    window.OPTIMIZERS[optimizer](model.parameters(), lr=1e-2).step()
    moved = [(a - b).detach() for a, b in zip(model.parameters(), MODEL.parameters(), strict=True)]
    assert size == pytest.approx(norm(moved), rel=1e-9)


def test_sgd_notices_the_missing_division_and_adamw_does_not(result: Result) -> None:
    for optimizer, ratio, slack in (("sgd", 8.0, 0.01), ("adamw", 1.0, 0.02)):
        view = {"optimizer": optimizer, "normalization": "none"}
        seen = result("accumulate", view, tokens=EQUAL)["view"]
        assert seen["update_ratio"] == pytest.approx(ratio, abs=slack)
        formula = Accumulate().formula(AccumulateParams(**view, tokens=EQUAL))
        assert formula["view"]["update_ratio"] == seen["formula"] == pytest.approx(ratio)


def test_a_lower_rate_is_right_for_sgd_and_an_eighth_for_adamw(result: Result) -> None:
    ratios = result("accumulate", tokens=EQUAL)["view"]["ratios"]
    assert ratios["sgd"]["rate"] == pytest.approx(1, abs=0.001)
    assert ratios["adamw"]["rate"] == pytest.approx(1 / 8, rel=0.02)


@pytest.mark.parametrize("clip", ["off", "0.1", "1.0"])
def test_a_clipped_update_follows_the_clipped_norms(result: Result, clip: str) -> None:
    seen = result("accumulate", {"clip": clip}, tokens=EQUAL)["view"]
    for recipe, ratio in seen["ratios"]["sgd"].items():
        assert ratio == pytest.approx(seen["formulas"]["sgd"][recipe], rel=0.01), recipe
    if clip != "off":  # both norms are above it, so the clipped gradients are equal
        assert seen["ratios"]["sgd"]["none"] == pytest.approx(1, abs=0.001)


def test_a_run_from_before_the_tight_clip_says_that_it_lacks_it(result: Result) -> None:
    seen = result("accumulate", tokens=EQUAL)
    older = {
        name: {clip: size for clip, size in sizes.items() if clip != "0.1"}
        for name, sizes in seen["updates"].items()
    }
    old = Accumulate().complete(AccumulateParams(clip="0.1", tokens=EQUAL), {**seen, "updates": older})
    drawn = shown("q09/accumulate", old)
    assert drawn.sentence is None and any("no updates clipped at 0.1" in note for note in drawn.notes)
    assert old["view"]["formulas"]["sgd"]["none"] == pytest.approx(1)


def test_a_token_of_a_short_micro_batch_weighs_more(result: Result) -> None:
    seen = result("accumulate", tokens="50, 5")
    assert seen["token_weight_ratio"] == pytest.approx(10, rel=1e-5)
    assert Accumulate().formula(AccumulateParams(tokens="500, 5"))["token_weight_ratio"] == 100
    assert seen["token_weights"] == pytest.approx([55 / 100, 55 / 10], rel=1e-5)
    assert seen["gradients"]["loss"]["relative_error"] > 0.05
    assert seen["gradients"]["tokens"]["relative_error"] < 1e-5
    assert 1e-4 < seen["gradients"]["bf16"]["relative_error"] < 0.02


def test_an_empty_micro_batch_is_said_and_drawn_without_its_numbers(result: Result) -> None:
    seen = result("accumulate", tokens="8, 0, 8")
    assert seen["view"]["update_ratio"] is None
    assert seen["gradients"]["loss"]["relative_error"] is None
    assert seen["gradients"]["tokens"]["relative_error"] < 1e-5
    drawn = shown("q09/accumulate", seen)
    assert not any("numbers above" in note for note in drawn.notes)
    assert drawn.sentence is None and any("Micro-batch 2 has no valid token" in note for note in drawn.notes)
    assert [row["SGD (×)"] for row in drawn.rows] == ["–"] * 6


def test_weights_are_drawn_while_it_runs(run: Run) -> None:
    job = run("accumulate", tokens=UNEQUAL)
    assert len(job.partials) == 4 and isinstance(job.params, AccumulateParams)
    so_far = Accumulate().so_far(job.params, job.partials[:3])
    drawn = shown("q09/accumulate", dict(so_far)).figures
    assert list(drawn) == ["weights"] and len(drawn["weights"].data[0]["y"]) == 3


def test_each_mark_stands_at_its_recipe(result: Result) -> None:
    seen = result("accumulate", tokens=UNEQUAL)
    drawn = shown("q09/accumulate", seen)
    measured = [trace for trace in drawn.figures["update"].data if trace["meta"]["role"] == "measured"]
    assert [trace["x"] for trace in measured] == [
        list(seen["view"]["ratios"][o].values()) for o in ("sgd", "adamw")
    ]
    assert drawn.sentence is not None
    assert drawn.sentence["said"] == 4 and drawn.sentence["measured"] == seen["view"]["update_ratio"]


@pytest.mark.parametrize(
    ("typed", "key", "says"),
    [
        ("", "steps", "at least 1"),
        (" ，, ", "steps", "at least 1"),
        ("0, 0", "empty", "No valid token"),
        ("5, -1", "number", "-1 is not a number"),
        ("5, 1e3", "number", "1e3"),
        ("513", "number", "to 512"),
        ("5, 🙂", "number", "🙂"),
        ("5\x00", "number", "is not a number"),
        ("٣", "number", "is not a number"),
        ("9" * 199, "number", "is not a number"),
        ("1 " * (MOST_STEPS + 1), "many", "17"),
    ],
)
def test_what_is_no_window_gets_one_sentence(typed: str, key: str, says: str) -> None:
    with pytest.raises(ParamError, match=says) as refused:
        AccumulateParams(tokens=typed)
    assert refused.value.key == f"q09.tokens.{key}" and len(str(refused.value)) < 200
    assert refused.value.key.removeprefix("q09.") in ERRORS


def test_a_megabyte_is_refused_by_its_length() -> None:
    with pytest.raises(ParamError, match="the most is 200"):
        AccumulateParams(tokens="1" * 10**6)


def test_counts_are_read_however_they_are_set_apart() -> None:
    assert read_counts("500，5") == read_counts("500 5") == read_counts(" 500;5, ") == [500, 5]


def test_a_large_factor_is_written_out() -> None:
    drawn = token_weights([1, 512], [256.5, 0.501], str)
    assert drawn.data[0]["text"] == ["260×", ""]
