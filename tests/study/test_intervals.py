"""Ranges: stored beside the point, judged, scored so that honesty pays."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions import load_question, load_questions
from study.intervals import end_keys, interval_score, judged, median, range_of
from study.predictions import calibrate, judge

SIZE = load_question("q06_gqa").prediction("cache-size")
COUNT = load_question("q13_sampling").prediction("survivors")
FINITE = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)


def stored(low: object, high: object) -> dict[str, object]:
    return dict(zip(end_keys("cache-size"), (low, high), strict=True))


def test_the_point_of_a_range_is_its_median() -> None:
    assert median(SIZE, 2, 8) == pytest.approx(4)
    assert median(COUNT, 3, 5) == 4 and median(COUNT, 0, 4) == 2
    percent = load_question("q10_grad_scaler").prediction("memory-saved")
    assert median(percent, -10, 30) == 10


@given(POSITIVE, POSITIVE)
def test_the_median_lies_within(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert low * (1 - 1e-9) <= median(SIZE, low, high) <= high * (1 + 1e-9)


@pytest.mark.parametrize(
    ("low", "high"),
    [(None, 3.0), (3.0, None), (3.0, 3.0), (4.0, 3.0), (-1.0, 3.0), ("1", 2.0), (True, 2.0), (1.0, math.inf)],
)
def test_what_is_no_range_counts_as_none(low: object, high: object) -> None:
    assert range_of(SIZE, stored(low, high)) is None
    assert range_of(SIZE, stored(2.0, 8.0)) == (2.0, 8.0) and range_of(SIZE, {}) is None


def test_no_prediction_is_called_like_an_end_of_another() -> None:
    names = [each.id for question in load_questions() for each in question.predictions]
    assert not set(names) & {key for name in names for key in end_keys(name)}


def test_a_range_that_held_and_one_that_did_not_are_counted() -> None:
    good, bad = judge(SIZE, 8.0, 8.39, (7.0, 9.0)), judge(SIZE, 4.0, 8.39, (3.0, 5.0))
    point = judge(SIZE, 8.0, 8.39)
    assert good.interval is not None and good.interval.held and bad.interval is not None
    assert not bad.interval.held and bad.interval.score > good.interval.score and point.interval is None
    summed = calibrate([good, bad, point, judge(SIZE, None, 8.39)])
    assert (summed.ranges, summed.held, summed.made) == (2, 1, 3)


@given(FINITE, FINITE, FINITE)
def test_the_score_is_the_width_and_ten_times_what_it_missed(a: float, b: float, value: float) -> None:
    low, high = sorted((a, b))
    missed = max(low - value, value - high, 0)
    assert interval_score(low, high, value) == pytest.approx(high - low + 10 * missed, rel=1e-9, abs=1e-9)


@given(st.integers(0, 20), st.integers(0, 20))
def test_nobody_gains_by_another_range_than_the_honest_one(first: int, second: int) -> None:
    """Of 21 equally likely numbers the 10 % and 90 % quantiles are 2 and 18: no other ends expect less."""
    low, high = sorted((first, second))
    numbers = range(21)

    def expected(low: float, high: float) -> float:
        return math.fsum(interval_score(low, high, value) for value in numbers)

    assert expected(2, 18) <= expected(low, high) + 1e-9


@given(POSITIVE, POSITIVE, POSITIVE, st.floats(1e-3, 1e3))
def test_the_score_of_a_ratio_does_not_depend_on_the_unit(
    a: float, b: float, value: float, unit: float
) -> None:
    low, high = sorted((a, b))
    score = judged(SIZE, (low, high), value).score
    assert judged(SIZE, (low * unit, high * unit), value * unit).score == pytest.approx(score, abs=1e-6)
