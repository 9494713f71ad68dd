"""Percentiles and their intervals against exact arithmetic and NumPy."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.load.statistics import distribution, percentile, ranks

TAIL = Fraction(25, 1000)


def below(rank: int, count: int, percent: int) -> Fraction:
    """P(B < rank) for a binomial number B of `count` with that share, exactly."""
    share = Fraction(percent, 100)
    terms = (math.comb(count, hits) * share**hits * (1 - share) ** (count - hits) for hits in range(rank))
    return sum(terms, Fraction(0))


@given(st.integers(1, 120), st.sampled_from([50, 95, 99]))
@settings(max_examples=25, deadline=None)
def test_an_interval_is_the_narrowest_with_either_tail_small_enough(count: int, percent: int) -> None:
    low, high = ranks(count, percent / 100)
    assert low is None or below(low, count, percent) <= TAIL
    assert below((low or 0) + 1, count, percent) > TAIL
    assert high is None or 1 - below(high, count, percent) <= TAIL
    assert high == 1 or 1 - below((high or count + 1) - 1, count, percent) > TAIL


@pytest.mark.parametrize(
    ("count", "percent", "expected"), [(5, 50, (None, None)), (6, 50, (1, 6)), (100, 50, (40, 61))]
)
def test_small_numbers_known_from_tables(count: int, percent: int, expected: tuple[int, int]) -> None:
    assert ranks(count, percent / 100) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100))
@settings(max_examples=40)
def test_a_percentile_is_numpys_inverted_distribution(values: list[float]) -> None:
    whole = distribution(values)
    assert whole is not None and whole["count"] == len(values)
    for name, each in whole["percentiles"].items():
        percent = int(name[1:])
        assert each["value"] == np.percentile(values, percent, method="inverted_cdf")
        assert (each["low"] or 0) <= each["value"] <= (math.inf if each["high"] is None else each["high"])


def test_a_large_sample_is_no_trouble() -> None:
    middle = percentile(list(map(float, range(1, 20_002))), 50)
    assert middle["value"] == 10_001 and middle["low"] is not None and middle["high"] is not None
    assert middle["high"] - middle["low"] == pytest.approx(1.96 * math.sqrt(20_001), rel=0.02)


def test_nothing_has_no_distribution() -> None:
    assert distribution([]) is None
