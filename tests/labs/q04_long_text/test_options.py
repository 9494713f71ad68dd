"""Windows, pairs and prices: the formulas against counting one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labs.contract.fields import ParamError
from labs.q04_long_text.methods import MethodsParams
from labs.q04_long_text.options import (
    BLOCKS,
    OPTIONS,
    causal_pairs,
    memory,
    operations,
    plan_windows,
    prices,
    visible_blocks,
    window_count,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import forward_flops

SIZES = st.tuples(st.integers(1, 3000), st.integers(1, 700), st.integers(1, 700)).filter(
    lambda s: s[2] <= s[1]
)


@given(SIZES)
def test_windows_cover_the_text_score_each_token_once_and_are_as_many_as_the_formula_says(
    sizes: tuple[int, int, int],
) -> None:
    length, window, _ = sizes
    plan = plan_windows(*sizes)
    assert len(plan) == window_count(*sizes)
    assert plan[-1][1] == length
    assert all(0 <= start <= first < end <= start + window for start, end, first in plan)
    scored = Counter(place for _, end, first in plan for place in range(first, end))
    assert scored == Counter(range(length))


@given(SIZES)
def test_tokens_after_the_first_window_have_what_two_windows_share_before_them(
    sizes: tuple[int, int, int],
) -> None:
    length, window, stride = sizes
    for start, _, first in plan_windows(length, window, stride)[1:]:
        assert first - start >= window - stride


@given(st.integers(1, 400), st.integers(1, 500))
def test_pairs_are_those_of_a_mask(length: int, window: int) -> None:
    places = np.arange(length)
    back = places[:, None] - places
    assert causal_pairs(length, window) == ((back >= 0) & (back < window)).sum()
    assert causal_pairs(length) == (back >= 0).sum()


def test_operations_are_those_of_the_core_without_its_head() -> None:
    config, tokens = ModelConfig(), 300
    head = 2 * tokens * config.vocab_size * config.hidden_size
    assert operations(tokens, tokens**2) == forward_flops(config, 1, tokens) - head


def test_the_prices_of_the_question() -> None:
    found = {name: round(price["gflop"], 1) for name, price in prices(8192, 512, 256, 256).items()}
    assert found == {
        "truncate": 25.2,
        "head_tail": 25.2,
        "disjoint": 403.8,
        "overlap": 782.4,
        "hierarchy": 404.5,
        "local": 403.2,
        "full": 919.2,
    }
    assert prices(8192, 512, 256, 256)["truncate"]["read_percent"] == 6.25


@pytest.mark.parametrize("option", OPTIONS)
def test_a_picture_shows_as_many_pairs_as_the_option_has(option: str) -> None:
    length, window, stride, local = 2048, 512, 256, 256
    blocks = visible_blocks(option, length, window, stride, local, 0)
    assert blocks.shape == (BLOCKS, BLOCKS)
    assert np.isnan(blocks[np.triu_indices(BLOCKS, 1)]).all()
    below = np.nansum(blocks[np.tril_indices(BLOCKS, -1)]) + np.trace(blocks) / 2
    pairs = below * (length / BLOCKS) ** 2
    expected = prices(length, window, stride, local)[option]["pairs"]
    if option == "overlap":  # a pair that two windows share is computed twice and drawn once
        expected -= causal_pairs(window - stride) * (len(plan_windows(length, window, stride)) - 1)
    assert pairs == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"stride": 600}, "Gaps: 1,144 tokens would never be read."),
        ({"stride": 0}, "Stride must be at least 1."),
        ({"length": 40_000}, "Length must be 16 to 32,768 tokens."),
        ({"length": 0}, "Length must be 16 to 32,768 tokens."),
        ({"window": "many"}, "window must be a whole number"),
    ],
)
def test_bad_sizes_are_refused_in_one_sentence(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParamError, match=sentence):
        MethodsParams.from_dict(settings)


def test_the_gaps_that_a_stride_leaves_are_counted() -> None:
    with pytest.raises(ParamError) as error:
        MethodsParams(length=100, window=16, stride=40)
    read = {place for start in range(0, 100, 40) for place in range(start, start + 16)}
    assert error.value.values["lost"] == len(set(range(100)) - read)


def test_a_text_that_fits_needs_no_stride() -> None:
    assert MethodsParams(length=200, window=512, stride=600).stride == 600


def test_memory_is_that_of_the_claims_and_of_tensors_of_that_shape() -> None:
    kept = memory(8192, 512, 256)
    assert (kept["full"]["scores_mib"], kept["full"]["cache_mib"]) == (2 * 1024, 32)  # Q4-C18, Q4-C17
    assert kept["local"] == {"scores_mib": 2 * 1024, "cache_mib": 1}
    assert kept["overlap"] == kept["disjoint"] == kept["truncate"] == {"scores_mib": 8, "cache_mib": 2}
    short = memory(100, 512, 256)
    assert len({tuple(option.values()) for option in short.values()}) == 1, "a text that fits is read once"
    scores = torch.empty(8, 100, 100)
    assert short["full"]["scores_mib"] * 2**20 == scores.nbytes
