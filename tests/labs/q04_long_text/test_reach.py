"""Window attention in blocks against the core's mask, and how far gradients come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labs.q04_long_text.local_layers import influences, local_attention, through_local_layers
from labs.q04_long_text.reach import Reach, ReachParams, reached, within
from labs.q04_long_text.readings import local_mask
from labs.tools.models import TINY, untrained
from tests.labs.one_lab import Run, shown


def nothing() -> None:
    """Nobody cancels."""


@pytest.mark.parametrize(("length", "window"), [(50, 7), (48, 8), (5, 9), (9, 9), (20, 1)])
def test_blocks_give_what_a_mask_gives(length: int, window: int) -> None:
    torch.manual_seed(0)
    queries = torch.randn(1, 4, length, 16, dtype=torch.float64)
    keys, values = torch.randn(2, 1, 2, length, 16, dtype=torch.float64)
    places = torch.arange(length)
    back = places[:, None] - places
    scores = queries @ keys.repeat_interleave(2, 1).transpose(-1, -2) / 4
    scores = scores.masked_fill((back < 0) | (back >= window), -torch.inf)
    expected = scores.softmax(-1) @ values.repeat_interleave(2, 1)
    assert torch.allclose(local_attention(queries, keys, values, window), expected, atol=1e-12)


@pytest.mark.parametrize("window", [6, 60])
def test_the_layers_are_those_of_the_core(window: int) -> None:
    model = untrained(TINY, "cpu").double().eval()
    ids = torch.randint(3, 300, (1, 40))
    with torch.inference_mode():
        expected = model.model(ids, mask=local_mask(40, window, 0, ids.device))
        here = through_local_layers(model, model.model.embed_tokens(ids), TINY.num_layers, window, nothing)
    assert torch.allclose(here, expected, atol=1e-10)


@pytest.mark.parametrize(("layers", "window"), [(1, 4), (2, 4), (4, 4), (8, 4), (8, 8), (3, 16)])
def test_gradients_come_back_from_as_many_positions_as_the_bound(layers: int, window: int) -> None:
    model = untrained(TINY.replace(num_layers=layers), "cpu").double()
    ids = torch.randint(3, 300, (70,))
    norms = influences(model, ids, 5, layers, window, nothing).numpy()
    assert np.array_equal(norms > 0, reached(layers, window, 70))
    assert (norms > 0).sum() == ReachParams(layers=layers, window=window, length=70).bound()


def test_a_run_counts_the_bound_and_finds_less_within(result: Callable[..., dict[str, Any]]) -> None:
    read = result("reach", layers=3, window=16, length=200)
    assert read["reach"] == Reach().formula(ReachParams(layers=3, window=16, length=200))["reach"] == 46
    assert read["tokens"] == 46 + 64
    assert 1 <= read["within"]["measured"] <= 46
    for curve in read["influence"].values():
        assert (np.diff(curve) >= 0).all() and curve[-1] == pytest.approx(1)
    sentence = shown("q04/reach", read).sentence
    assert sentence is not None and (sentence["formula"], sentence["measured"]) == (46, 46)


def test_a_short_text_ends_the_reach(result: Callable[..., dict[str, Any]]) -> None:
    assert result("reach", layers=4, window=16, length=30)["reach"] == 30


def test_the_formula_has_the_numbers_of_the_question() -> None:
    formula = Reach().formula(ReachParams())
    assert formula["reach"] == 2041
    assert formula["within"] == {"even": 1365, "with_residual": 917}


def test_layers_that_a_model_lacks_are_refused_in_one_sentence(run: Run) -> None:
    job = run("reach", layers=8, window=4)
    assert job.state == "failed" and job.error is not None
    assert "random:nano-rope has 5 layers" in str(job.error)


def test_within_counts_from_the_newest() -> None:
    assert within(np.array([0.5, 0.3, 0.1, 0.06, 0.04])) == 4
