"""Errors by layer and over ranks: inner products against whole gradients of torch, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q09_accumulation import products
from labs.q09_accumulation import window_gradients as window
from labs.q09_accumulation.dealing import DEALS, DENOMINATORS, dealt, factors
from labs.q09_accumulation.layers import Layers, LayersParams, place_of
from labs.tools.gradients import random_rows, relative_error
from labs.tools.models import TINY, untrained
from tests.labs.one_lab import OneLab, shown

Result = Callable[..., dict[str, Any]]
MODEL = untrained(TINY, "cpu").double()
UNEQUAL = "12, 3, 7, 1, 9, 2"


def seen_of(counts: Sequence[int], **view: Any) -> tuple[dict[str, Any], list[list[torch.Tensor]]]:
    """The completed result of a small model in FP64, and the gradients of its micro-batches."""
    rows = random_rows(MODEL, len(counts), max(counts))
    gradients = products.summed_gradients(MODEL, rows, counts, lambda _index: None)
    params = LayersParams(tokens=", ".join(map(str, counts)), **view)
    right = products.added_up(gradients, 1 / sum(counts))
    result: Any = {
        "counts": list(counts),
        "names": [name for name, _ in MODEL.named_parameters()],
        "products": products.inner_products(gradients, lambda: None),
        "right_error": relative_error(right, window.big_batch_gradient(MODEL, rows, counts)),
    }
    return dict(Layers().complete(params, result)), gradients


def on_ranks(
    gradients: list[list[torch.Tensor]], counts: Sequence[int], owners: Sequence[int], denominator: str
) -> list[torch.Tensor]:
    """What each rank's own loop leaves in .grad, averaged as data parallelism does."""
    world, found = max(owners) + 1, []
    for rank in range(world):
        own = [place for place, owner in enumerate(owners) if owner == rank]
        terms = []
        for place in own:
            divided_by = {
                "micro_batch": counts[place] * len(own),
                "rank": sum(counts[other] for other in own),
                "all": sum(counts) / world,
            }[denominator]
            terms.append([tensor / divided_by for tensor in gradients[place]])
        found.append([torch.stack(tensors).sum(0) for tensors in zip(*terms, strict=True)])
    return [torch.stack(tensors).mean(0) for tensors in zip(*found, strict=True)]


@pytest.mark.parametrize("deal", DEALS)
@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_errors_by_place_are_those_of_whole_gradients(denominator: str, ranks: int, deal: str) -> None:
    counts = [12, 3, 7, 1, 9, 2]
    seen, gradients = seen_of(counts, denominator=denominator, ranks=ranks, deal=deal)
    view = seen["view"]
    wrong = on_ranks(gradients, counts, view["owners"], denominator)
    true = window.big_batch_gradient(MODEL, random_rows(MODEL, len(counts), max(counts)), counts)
    assert seen["right_error"] < 1e-12
    assert view["error"] == pytest.approx(relative_error(wrong, true), rel=1e-6, abs=1e-9)
    assert view["cosine"] == pytest.approx(window.cosine(wrong, true), abs=1e-9)
    for place, error in zip(view["places"], view["errors"], strict=True):
        own = [index for index, name in enumerate(seen["names"]) if place_of(name) == place]
        apart = relative_error([wrong[index] for index in own], [true[index] for index in own])
        assert error == pytest.approx(apart, rel=1e-6, abs=1e-9), place


def test_on_one_rank_the_mean_of_means_is_that_of_the_accumulator() -> None:
    counts = [5, 2, 9]
    seen, _ = seen_of(counts)
    grads = window.Accumulator(MODEL, counts)
    for row, count in zip(random_rows(MODEL, 3, 9), counts, strict=True):
        grads.add(window.micro_gradient(MODEL, row, count)[1], count)
    true = window.big_batch_gradient(MODEL, random_rows(MODEL, 3, 9), counts)
    assert seen["view"]["error"] == pytest.approx(relative_error(grads.gradients()["loss"], true), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 99), min_size=1, max_size=8), st.integers(1, 4), st.sampled_from(DEALS))
def test_however_they_are_dealt_out_all_tokens_weigh_alike(counts: list[int], ranks: int, deal: str) -> None:
    """And each rank has some of them, if there are enough; equal counts make all denominators agree."""
    ranks = min(ranks, len(counts))
    owners = dealt(counts, ranks, deal)
    assert set(owners) == set(range(ranks))
    assert max(map(owners.count, range(ranks))) - min(map(owners.count, range(ranks))) <= 1
    np.testing.assert_allclose(factors(counts, owners, "all"), 1 / sum(counts))
    for name in DENOMINATORS:  # a token's weights add up to one
        assert float(factors(counts, owners, name) @ counts) == pytest.approx(1)
    if len(counts) % ranks == 0:
        same = [7] * len(counts)
        for name in DENOMINATORS:
            np.testing.assert_allclose(factors(same, owners, name), 1 / sum(same))


def test_the_run_on_a_real_model_says_what_each_rank_has(result: Result) -> None:
    alone = result("layers", {"denominator": "rank"}, tokens=UNEQUAL)
    assert alone["view"]["error"] == 0 and alone["right_error"] < 1e-4
    seen = result("layers", {"denominator": "rank", "ranks": 2, "deal": "sorted"}, tokens=UNEQUAL)
    assert seen["view"]["places"] == ["embedding", "0", "1", "2", "3", "4", "norm"]
    assert seen["view"]["error"] > 0.01
    drawn = shown("q09/layers", seen)
    notes = " ".join(drawn.notes)
    assert "Rank 1 has 28 tokens (12, 7, 9)." in notes and "Rank 2 has 6 tokens (3, 1, 2)." in notes
    assert "final norm" in str(drawn.rows[-1]) and len(drawn.rows) == 7
    right = result("layers", {"denominator": "all", "ranks": 3}, tokens=UNEQUAL)
    assert right["view"]["error"] == 0 and "however the micro-batches" in shown("q09/layers", right).notes[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tokens": "5, 0, 3"}, "each with a valid token"),
        ({"tokens": "1 " * 9}, "1 to 8 micro-batches"),
        ({"tokens": "5, 3", "ranks": 3}, "3 ranks need as many micro-batches; there are 2"),
    ],
)
def test_what_cannot_be_dealt_out_is_refused_in_a_sentence(
    lab: OneLab, given: dict[str, Any], said: str
) -> None:
    assert said in lab.refused("layers", **given)
