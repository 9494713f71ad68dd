"""The filters: known vectors, transformers' processors, the invariants, batches, and no host sync."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from minimind_core.decoding.sampling import (
    RequestNoise,
    SamplingParams,
    apply_repetition_penalty,
    check_logits,
    filter_logits,
    next_tokens,
    seen_tokens,
)
from minimind_core.errors import ConfigError, NumericsError

EXAMPLE = torch.tensor([8.0, 7.0, 6.0, 3.0, 2.0], dtype=torch.float64)
CONFIDENT = torch.tensor([15.0, 3.0, 2.8, 2.5], dtype=torch.float64)
UNCERTAIN = torch.tensor([5.0, 4.8, 4.5, 4.3], dtype=torch.float64)

distinct_logits = st.lists(st.integers(-4000, 4000), min_size=1, max_size=40, unique=True).map(
    lambda values: torch.tensor(values, dtype=torch.float64) / 400
)
temperatures = st.floats(0.05, 5)
filters = st.fixed_dictionaries(
    {"top_k": st.integers(0, 45), "top_p": st.floats(1e-6, 1), "min_p": st.floats(0, 1)}
)


def log_of(*probabilities: float) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def formula(logits: Tensor, temperature: float) -> list[float]:
    weights = [math.exp((x - float(logits.max())) / temperature) for x in logits.tolist()]
    return [w / math.fsum(weights) for w in weights]


def near(values: Tensor, expected: list[float], digits: int = 4) -> bool:
    return [round(x, digits) for x in values.tolist()] == [round(x, digits) for x in expected]


# Known vectors


@pytest.mark.parametrize(
    ("logits", "temperature", "expected"),
    [
        (EXAMPLE, 1.0, [0.6612, 0.2432, 0.0895, 0.0045, 0.0016]),
        (EXAMPLE, 2.0, [0.4748, 0.2880, 0.1747, 0.0390, 0.0236]),
        (CONFIDENT, 2.0, [0.9934, 0.0025, 0.0022, 0.0019]),
    ],
)
def test_softmax_claims_hold_to_four_decimals(
    logits: Tensor, temperature: float, expected: list[float]
) -> None:
    found = filter_logits(logits, temperature=temperature)
    assert near(found, expected)
    torch.testing.assert_close(found.tolist(), formula(logits, temperature), rtol=1e-14, atol=0)


def test_claims_with_other_digits() -> None:
    cold = filter_logits(EXAMPLE, temperature=0.1)
    assert near(cold[:1], [0.99995], 5) and cold[1].item() == pytest.approx(4.54e-5, rel=1e-3)
    confident = filter_logits(CONFIDENT)
    assert near(confident[:1], [0.999985], 6)
    assert [f"{x:.1e}" for x in confident[1:].tolist()] == ["6.1e-06", "5.0e-06", "3.7e-06"]
    assert near(filter_logits(UNCERTAIN), [0.342, 0.280, 0.208, 0.170], 3)
    assert near(filter_logits(UNCERTAIN, temperature=0.8)[:1], [0.366], 3), "T below 1 sharpens"


def test_the_token_that_crosses_p_is_kept() -> None:
    probabilities = filter_logits(log_of(0.65, 0.12, 0.10, 0.08, 0.05), top_p=0.9)
    assert near(probabilities, [0.684, 0.126, 0.105, 0.084, 0], 3)
    assert near(filter_logits(log_of(0.28, 0.24, 0.19, 0.16, 0.13), top_p=0.5), [0.538, 0.462, 0, 0, 0], 3)
    assert near(filter_logits(UNCERTAIN, top_p=0.5), [0.550, 0.450, 0, 0], 3)


def test_an_exact_hit_of_p_ends_the_set() -> None:
    assert near(filter_logits(log_of(0.5, 0.25, 0.125, 0.125), top_p=0.5), [1, 0, 0, 0])
    nucleus = filter_logits(log_of(0.5, 0.25, 0.15, 0.05, 0.03, 0.02), top_p=0.8999)
    assert near(nucleus, [0.5556, 0.2778, 0.1667, 0, 0, 0])


def test_temperature_acts_before_top_p() -> None:
    counts = [int((filter_logits(EXAMPLE, temperature=t, top_p=0.9) > 0).sum()) for t in (0.5, 1, 2)]
    assert counts == [2, 2, 3]


def test_equal_logits_rank_by_lowest_id() -> None:
    tied = torch.tensor([1.0, 3.0, 3.0, 3.0, 1.0])
    assert filter_logits(tied, temperature=0).tolist() == [0, 1, 0, 0, 0]
    assert filter_logits(tied, temperature=torch.tensor([0.0])).tolist() == [0, 1, 0, 0, 0]
    assert filter_logits(tied, top_k=2).tolist() == [0, 0.5, 0.5, 0, 0]
    assert filter_logits(torch.zeros(4096), top_p=0.25).nonzero().flatten().tolist() == list(range(1024))


def test_a_tiny_p_keeps_one_token() -> None:
    assert filter_logits(torch.randn(7, 50), top_p=1e-9).count_nonzero(-1).tolist() == [1] * 7


def test_penalty_multiplies_negative_logits() -> None:
    logits = torch.tensor([3.0, -2.0, -2.0, -math.inf])
    found = apply_repetition_penalty(logits, torch.tensor([True, True, False, True]), 1.2)
    torch.testing.assert_close(found, torch.tensor([2.5, -2.4, -2.0, -math.inf]))


def test_seen_tokens_skips_padding() -> None:
    mask = seen_tokens(torch.tensor([[2, 2, 0], [1, -1, -1]]), vocab_size=4)
    assert mask.tolist() == [[True, False, True, False], [False, True, False, False]]


# transformers applies the same filters (away from ties)


def test_each_filter_equals_transformers() -> None:
    t = pytest.importorskip("transformers")
    logits = torch.randn(16, 500, generator=torch.Generator().manual_seed(0)) * 3
    ids = torch.randint(0, 500, (16, 20), generator=torch.Generator().manual_seed(1))
    cases: list[tuple[dict[str, Any], list[Any]]] = [
        ({"temperature": 0.7}, [t.TemperatureLogitsWarper(0.7)]),
        ({"temperature": 3.0}, [t.TemperatureLogitsWarper(3.0)]),
        ({"top_k": 17}, [t.TopKLogitsWarper(17)]),
        ({"top_k": 900}, [t.TopKLogitsWarper(900)]),
        ({"top_p": 0.35}, [t.TopPLogitsWarper(0.35)]),
        ({"top_p": 0.97}, [t.TopPLogitsWarper(0.97)]),
        ({"min_p": 0.08}, [t.MinPLogitsWarper(0.08)]),
        (
            {"temperature": 1.7, "top_k": 60, "top_p": 0.8, "min_p": 0.1},
            [
                t.TemperatureLogitsWarper(1.7),
                t.TopKLogitsWarper(60),
                t.TopPLogitsWarper(0.8),
                t.MinPLogitsWarper(0.1),
            ],
        ),
    ]
    for ours, theirs in cases:
        expected = logits
        for processor in theirs:
            expected = processor(ids, expected)
        found = filter_logits(logits, **ours)
        assert torch.equal(found > 0, expected.softmax(-1) > 0), ours
        torch.testing.assert_close(found, expected.softmax(-1), rtol=1e-5, atol=1e-9)
    penalised = apply_repetition_penalty(logits, seen_tokens(ids, 500), 1.3)
    assert torch.equal(penalised, t.RepetitionPenaltyLogitsProcessor(1.3)(ids, logits))


# Invariants


@given(distinct_logits, temperatures, filters)
@settings(deadline=None, max_examples=100)
def test_kept_set_is_a_prefix_and_rows_sum_to_one(
    logits: Tensor, temperature: float, chosen: dict[str, float]
) -> None:
    found = filter_logits(logits, temperature, **chosen)
    kept = (found > 0)[logits.argsort(descending=True)]
    count = int(kept.sum())
    assert count >= 1 and bool(kept[:count].all())
    assert abs(math.fsum(found.tolist()) - 1) <= 1e-6
    assert torch.equal(found.argsort(descending=True)[:count], logits.argsort(descending=True)[:count])


@given(distinct_logits, temperatures, st.floats(1e-6, 1, exclude_max=True))
@settings(deadline=None, max_examples=100)
def test_top_p_is_the_smallest_set_that_reaches_p(logits: Tensor, temperature: float, p: float) -> None:
    full = filter_logits(logits, temperature).sort(descending=True).values.tolist()
    count = int((filter_logits(logits, temperature, top_p=p) > 0).sum())
    before, after = math.fsum(full[: count - 1]), math.fsum(full[:count])
    assume(abs(before - p) > 1e-12 and abs(after - p) > 1e-12 and full[count - 1] > 1e-300)
    assert before < p and (p <= after or count == len(full))


@given(distinct_logits, temperatures, st.floats(1e-6, 1))
@settings(deadline=None, max_examples=100)
def test_min_p_keeps_gaps_up_to_temperature_times_log(
    logits: Tensor, temperature: float, min_p: float
) -> None:
    gaps, bound = logits.max() - logits, temperature * math.log(1 / min_p)
    clear = (gaps - bound).abs() > 1e-9
    kept = filter_logits(logits, temperature, min_p=min_p) > 0
    assert torch.equal(kept[clear], (gaps <= bound)[clear])


@given(distinct_logits, temperatures, st.floats(1.001, 3))
@settings(deadline=None, max_examples=100)
def test_entropy_grows_with_temperature_by_the_variance_law(
    logits: Tensor, temperature: float, factor: float
) -> None:
    def entropy(t: float) -> float:
        return float(torch.special.entr(filter_logits(logits, t)).sum())

    assert entropy(temperature * factor) >= entropy(temperature) - 1e-12
    p = filter_logits(logits, temperature)
    variance = float((p * (logits - (p * logits).sum()) ** 2).sum())
    step = 1e-4 * temperature
    slope = (entropy(temperature + step) - entropy(temperature - step)) / (2 * step)
    assert slope == pytest.approx(variance / temperature**3, rel=1e-4, abs=1e-7)


def test_entropy_slope_of_the_example() -> None:
    p = filter_logits(EXAMPLE, 1.3)
    variance = (p * (EXAMPLE - (p * EXAMPLE).sum()) ** 2).sum()
    assert near((variance / 1.3**3).reshape(1), [0.41447], 5)


@given(distinct_logits, temperatures, filters, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_renaming_the_tokens_renames_the_result(
    logits: Tensor, temperature: float, chosen: dict[str, float], random: object
) -> None:
    order = list(range(len(logits)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found, renamed = (filter_logits(x, temperature, **chosen) for x in (logits, logits[order]))
    disagree = (found[order] > 0) != (renamed > 0)
    assert not bool(disagree.any()), "away from ties the kept set follows the names"
    torch.testing.assert_close(renamed, found[order], rtol=1e-12, atol=0)


def test_the_defaults_are_the_plain_softmax() -> None:
    logits = torch.randn(8, 6400) * 4
    off = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    as_tensors = {name: torch.full((8, 1), value) for name, value in off.items()}
    for choice in ({}, off, as_tensors, {"top_k": 6400}, {"top_k": 99999}):
        assert torch.equal(filter_logits(logits, **choice), logits.softmax(-1)), choice


@pytest.mark.parametrize("temperature", [1e-3, 1e-8, 1e-44, 1e-300])
def test_temperature_towards_zero_is_the_argmax(temperature: float) -> None:
    logits = torch.randn(5, 300, generator=torch.Generator().manual_seed(3)).half().float()
    logits[:, 0] = 6
    assert torch.equal(filter_logits(logits, temperature), filter_logits(logits, 0))


def test_masked_tokens_stay_at_zero() -> None:
    logits = torch.full((3, 9), -math.inf)
    logits[:, 4], logits[:, 7] = 1.0, -5.0
    for choice in (
        {},
        {"temperature": 9.0},
        {"top_k": 5},
        {"top_p": 0.99999},
        {"min_p": 0.001},
        {"temperature": 0},
    ):
        found = filter_logits(logits, **choice)
        assert bool(found.isfinite().all()) and set(found.nonzero()[:, 1].tolist()) <= {4, 7}, choice


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_fp32(dtype: torch.dtype) -> None:
    logits = (torch.randn(4, 1000) * 20).to(dtype)
    choice = {"temperature": 1e-6, "top_k": 40, "top_p": 0.9, "min_p": 0.01}
    found = filter_logits(logits, **choice)
    assert found.dtype == torch.float32 and not bool(found.isnan().any())
    assert torch.equal(found, filter_logits(logits.float(), **choice))
    assert apply_repetition_penalty(logits, logits > 0, 1.1).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_input_is_not_modified(dtype: torch.dtype) -> None:
    logits = (torch.randn(4, 64) * 5).to(dtype)
    before, noise = logits.clone(), RequestNoise([1, 2, 3, 4], 64).draw()
    noise_before = noise.clone()
    next_tokens(
        logits,
        noise,
        seen_mask=logits > 0,
        repetition_penalty=1.2,
        temperature=0.5,
        top_k=9,
        top_p=0.8,
        min_p=0.1,
    )
    filter_logits(logits, 0)
    assert torch.equal(logits, before) and torch.equal(noise, noise_before)


# What a person may type


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"temperature": -0.1}, "Negative temperature would favour the worst tokens."),
        ({"temperature": math.inf}, "Temperature must be finite"),
        ({"temperature": math.nan}, "Temperature must be a number, not nan."),
        ({"temperature": "hot"}, "Temperature must be a number, not 'hot'."),
        ({"top_p": 0.0}, r"Top-p must be in \(0, 1\]."),
        ({"top_p": 1.5}, r"Top-p must be in \(0, 1\]."),
        ({"top_k": -1}, "Top-k must be a whole number of at least 0"),
        ({"top_k": 2.5}, "Top-k must be a whole number of at least 0"),
        ({"min_p": 1.1}, r"Min-p must be in \[0, 1\]"),
        ({"repetition_penalty": 0.0}, "Repetition penalty must be positive"),
        ({"seed": -1}, "Seed must be a whole number"),
        ({"seed": 1.5}, "Seed must be a whole number"),
    ],
)
def test_bad_settings_get_one_sentence(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SamplingParams(**setting)
    name = next(iter(setting))
    if name in ("temperature", "top_k", "top_p", "min_p"):
        with pytest.raises(ConfigError, match=sentence):
            filter_logits(EXAMPLE, **setting)


def test_notes_explain_valid_but_odd_settings() -> None:
    assert SamplingParams(temperature=0.8, top_k=6400).notes(6400) == []
    assert len(SamplingParams(temperature=0, top_k=6401).notes(6400)) == 2


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([-math.inf, -math.inf], "These logits contain no candidate"),
        ([math.nan, math.nan], "These logits contain no candidate"),
        ([1.0, math.nan], "These logits contain no candidate"),
        ([1.0, math.inf], "overflowed"),
    ],
)
def test_logits_without_a_candidate_are_refused(row: list[float], sentence: str) -> None:
    for dtype in (torch.float32, torch.float16):
        with pytest.raises(NumericsError, match=sentence):
            check_logits(torch.tensor([[0.0, 1.0], row], dtype=dtype))
    check_logits(torch.tensor([[0.0, -math.inf]]))


def test_top_p_is_a_share_of_what_the_probabilities_sum_to() -> None:
    """In fp32 a softmax over many ids does not sum to 1, which moved the border by one token."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(16, 20_000, generator=generator) * 2
    defined = logits.double().sort(dim=-1, descending=True).values.softmax(-1).cumsum(-1)
    for row, masses in zip(logits, defined, strict=True):
        rank = int((masses < 0.9).sum())
        # the sum is off by some 3e-7 here, either way, and what is left of it by less than 1e-9
        for beside, more in ((-2e-8, 1), (2e-8, 2)):
            kept = filter_logits(row[None], top_p=float(masses[rank]) + beside) > 0
            assert int(kept.sum()) == rank + more
