"""The filters in NumPy: equal to the core's sampling, and the figures of the question."""

from __future__ import annotations

import itertools
import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q13_sampling.filters import (
    DEFAULT_ORDER,
    BoundaryRule,
    Floats,
    Stage,
    entropy,
    filter_chain,
    idle,
    keep_top_p,
    penalize,
)
from minimind_core.decoding.sampling import apply_repetition_penalty, filter_logits

EXAMPLE = np.array([8.0, 7, 6, 3, 2])
SIX = np.array([0.5, 0.25, 0.15, 0.05, 0.03, 0.02])


def filtered(logits: Any, *settings: float, **options: Any) -> Floats:
    return filter_chain(logits, *settings, **options).probabilities  # type: ignore[arg-type]


# Equal to the core


@given(
    st.integers(0, 2**31),
    st.integers(1, 60),
    st.sampled_from([0, 0.05, 0.7, 1.0, 1.9]),
    st.integers(0, 70),
    # nearer to one than this, the last bit of a mass decides: a tail of 1e-32 is inside or not
    st.floats(1e-6, 1 - 1e-9) | st.just(1.0),
    st.sampled_from([0, 0.01, 0.2, 1.0]),
)
@settings(deadline=None, max_examples=150)
def test_equals_the_core(
    seed: int, vocab_size: int, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    logits = np.random.default_rng(seed).normal(0, 3, (3, vocab_size))
    logits[1, vocab_size // 2 :] = -np.inf if vocab_size > 1 else 0
    logits[2] = logits[2].round()  # many ties
    ours = filtered(logits, temperature, top_k, top_p, min_p)
    core = filter_logits(torch.from_numpy(logits), temperature, top_k, top_p, min_p).numpy()
    np.testing.assert_allclose(ours[:2], core[:2], rtol=1e-10, atol=1e-300)
    if top_p == 1:  # elsewhere the last bit of a tied mass may fall on either side of p
        np.testing.assert_allclose(ours[2], core[2], rtol=1e-10, atol=1e-300)


def test_equals_the_core_on_model_sized_float32_logits() -> None:
    logits = (np.random.default_rng(0).normal(0, 3, (20, 6400))).astype(np.float32)
    choices: list[dict[str, Any]] = [
        {},
        {"temperature": 0.8, "top_p": 0.9},
        {"top_k": 50, "top_p": 0.95},
        {"min_p": 0.05, "temperature": 2.0},
    ]
    for choice in choices:
        for dtype in (np.float32, np.float64):
            ours = filter_chain(logits, dtype=dtype, **choice)
            core = filter_logits(torch.from_numpy(logits), **choice).numpy()
            assert np.array_equal(ours.kept, core > 0), choice
            np.testing.assert_allclose(ours.probabilities, core, rtol=1e-4, atol=1e-12)


def test_penalty_equals_the_core() -> None:
    logits = np.random.default_rng(1).normal(0, 3, (4, 50)).astype(np.float32)
    seen = np.random.default_rng(2).random((4, 50)) < 0.3
    core = apply_repetition_penalty(torch.from_numpy(logits), torch.from_numpy(seen), 1.3).numpy()
    np.testing.assert_allclose(penalize(logits, seen, 1.3), core, rtol=1e-6)


def test_rules_and_typical_equal_transformers() -> None:
    t = pytest.importorskip("transformers")
    logits = np.random.default_rng(3).normal(0, 3, (16, 400))
    scores = torch.from_numpy(logits)
    for p in (0.1, 0.5, 0.9, 0.99):
        nucleus = (t.TopPLogitsWarper(p)(None, scores) > -math.inf).numpy()
        assert np.array_equal(filter_chain(logits, top_p=p, rule="transformers").kept, nucleus)
        typical = (t.TypicalLogitsWarper(p)(None, scores) > -math.inf).numpy()
        assert np.array_equal(filter_chain(logits, typical_p=p).kept, typical)


# The boundary rules where a cumulative mass meets p


@pytest.mark.parametrize(
    ("rule", "dtype", "p", "count"),
    [
        ("definition", np.float64, 0.9, 3),
        ("definition", np.float32, 0.9, 3),
        ("strict_shift", np.float64, 0.9, 4),
        ("strict_shift", np.float32, 0.9, 4),
        ("transformers", np.float64, 0.9, 4),
        ("transformers", np.float32, 0.9, 3),
        ("definition", np.float64, 0.5, 1),
        ("strict_shift", np.float64, 0.5, 2),
        ("transformers", np.float64, 0.5, 1),
    ],
)
def test_counts_at_the_boundary(rule: Any, dtype: Any, p: float, count: int) -> None:
    assert keep_top_p(SIX.astype(dtype), p, rule).sum() == count


def test_rules_agree_away_from_the_boundary() -> None:
    for p, count in ((0.87, 3), (0.3, 1), (0.96, 5)):
        assert [int(keep_top_p(SIX, p, rule).sum()) for rule in get_args(BoundaryRule)] == [count] * 3
    crossing = np.array([0.65, 0.12, 0.10, 0.08, 0.05])
    assert keep_top_p(crossing, 0.9).sum() == 4
    assert keep_top_p(crossing, 1e-9).sum() == 1 and keep_top_p(crossing, 1.0).sum() == 5


def test_renormalized_nucleus() -> None:
    np.testing.assert_allclose(filtered(np.log(SIX), top_p=0.89)[:4], [0.5556, 0.2778, 0.1667, 0], atol=5e-5)


# Order, entropy and laws


def test_temperature_first_changes_the_count_and_top_p_first_does_not() -> None:
    late: tuple[Stage, ...] = ("top_p", "temperature", "top_k", "min_p", "typical_p")
    for order, counts in ((DEFAULT_ORDER, [2, 2, 3]), (late, [2, 2, 2])):
        assert [
            int(filter_chain(EXAMPLE, t, top_p=0.9, order=order).kept.sum()) for t in (0.5, 1, 2)
        ] == counts


def test_every_order_gives_a_distribution() -> None:
    logits = np.random.default_rng(4).normal(0, 2, (5, 30))
    for order in itertools.permutations(DEFAULT_ORDER):
        found = filter_chain(logits, 0.7, 9, 0.8, 0.05, 0.9, order=order)
        np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-12)
        assert bool((found.kept.sum(-1) >= 1).all()) and not found.probabilities[~found.kept].any()


@pytest.mark.parametrize(
    "chosen",
    [
        {"temperature": 1.0, "top_k": 0, "top_p": 0.9, "min_p": 0.0, "typical_p": 1.0},
        {"temperature": 0.7, "top_k": 3, "top_p": 1.0, "min_p": 0.1, "typical_p": 1.0},
        {"temperature": 0.0, "top_k": 3, "top_p": 0.9, "min_p": 0.1, "typical_p": 0.5},
    ],
)
def test_what_is_idle_changes_nothing_wherever_it_stands(chosen: dict[str, Any]) -> None:
    logits, off = np.random.default_rng(5).normal(0, 2, 30), idle(chosen)
    awake: list[Stage] = [stage for stage in DEFAULT_ORDER if stage not in off]
    expected = filter_chain(logits, **chosen)
    for order in itertools.permutations(DEFAULT_ORDER):
        if [stage for stage in order if stage in awake] == awake:
            found = filter_chain(logits, **chosen, order=order)
            np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_entropies_of_the_example() -> None:
    found = [float(entropy(filtered(EXAMPLE, t))) for t in (0.1, 1, 2, 1e6)]
    np.testing.assert_allclose(found, [0.0005, 0.868, 1.232, math.log(5)], atol=5e-4)
    uncertain = [5, 4.8, 4.5, 4.3]
    found = [float(entropy(filtered(uncertain, t))) for t in (1, 0.8)]
    np.testing.assert_allclose(found, [1.351, 1.332], atol=5e-4)
    assert np.exp(entropy(np.full((2, 8), 1 / 8))).round(12).tolist() == [8, 8]
    assert entropy(filtered([1.0, -np.inf])) == 0


def test_the_gap_that_min_p_allows_widens_linearly_with_temperature() -> None:
    gaps = np.linspace(0, 10, 1001)
    for temperature in (0.5, 1.0, 2.0):
        kept = filter_chain(-gaps, temperature, min_p=0.13).kept
        assert np.array_equal(kept, gaps <= temperature * math.log(1 / 0.13))


def test_a_tiny_temperature_and_masked_tokens_are_quiet() -> None:
    logits = np.array([[3.0, -np.inf, 2.0], [1.0, 5.0, 5.0]])
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        found = filtered(logits, 1e-300)
        assert filtered(logits, 0).tolist() == [[1, 0, 0], [0, 1, 0]]
        filter_chain(logits, 0.7, 2, 0.9, 0.1, 0.9)
    assert found.tolist() == [[1, 0, 0], [0, 0.5, 0.5]]


def test_a_kept_token_may_round_to_zero() -> None:
    found = filter_chain([100.0, 0.0], 0.05, top_k=2)
    assert found.kept.sum(-1) == 2 and found.probabilities.tolist() == [1, 0]


def test_an_order_names_each_stage_once() -> None:
    for order in (("top_k", "top_p"), (*DEFAULT_ORDER[:-1], "top_k")):
        with pytest.raises(AssertionError):
            filter_chain(EXAMPLE, order=order)  # type: ignore[arg-type]
