"""A percentile read from buckets: counted as Prometheus' client counts, read as its documentation says."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from labs.q14_serving.buckets import DEFAULT, OURS, cumulative, histogram_quantile, own_bounds
from labs.q14_serving.histogram import CHOSEN
from tests.labs.one_lab import OneLab

BOUNDS = st.lists(st.floats(0.01, 100), min_size=1, max_size=8, unique=True).map(sorted)
VALUES = st.lists(st.floats(0.001, 200), min_size=1, max_size=40)


@given(VALUES, BOUNDS)
def test_counts_are_those_of_the_client(values: list[float], bounds: list[float]) -> None:
    """A value that equals a bound is within it."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "", buckets=bounds, registry=registry)
    for value in [*values, bounds[0]]:
        histogram.observe(value)
    samples = [one for one in next(iter(registry.collect())).samples if one.name == "seconds_bucket"]
    assert [*cumulative([*values, bounds[0]], bounds), len(values) + 1] == [one.value for one in samples]


@given(VALUES, BOUNDS, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_reading_lies_in_the_bucket_of_the_true_one_and_is_never_below_it_by_a_bucket(
    values: list[float], bounds: list[float], share: float
) -> None:
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    reading = histogram_quantile(share, bounds, cumulative(values, bounds), len(values))
    place = bisect.bisect_left(bounds, true)
    if place == len(bounds):
        assert reading == (bounds[-1], bounds[-1], None)
    else:
        assert (reading.low, reading.high) == ((bounds[place - 1] if place else 0.0), bounds[place])
        assert reading.low <= reading.value <= bounds[place]


def test_the_example_of_prometheus_documentation() -> None:
    """Ten observations evenly in each of the buckets up to 1, 2 and 4: the 90th percentile of thirty."""
    assert histogram_quantile(0.9, [1, 2, 4], [10, 20, 30], 30).value == pytest.approx(2 + 2 * 7 / 10)
    assert histogram_quantile(0.5, [1, 2, 4], [10, 20, 30], 30).value == pytest.approx(1.5)
    assert histogram_quantile(0.99, [1, 2], [0, 5], 10).value == 2


def test_own_buckets_are_those_of_the_settings(lab: OneLab) -> None:
    result = lab.result("histogram", {"buckets": "own", "first_ms": 100.0, "ratio": 2.0, "many": 3})
    assert result["view"]["bounds"] == own_bounds(100.0, 2.0, 3) == [100.0, 200.0, 400.0]
    for unit in ("seconds", "milliseconds"):  # own ones are given in what is observed
        seen = lab.result("histogram", {"buckets": "own", "observed": unit})["view"]
        assert seen["by_load"][CHOSEN]["high"] is not None


def test_default_buckets_do_not_see_the_load_and_milliseconds_are_beyond_them(lab: OneLab) -> None:
    in_seconds = lab.result("histogram")["view"]
    read = [one["read"] for one in in_seconds["by_load"][:CHOSEN]]
    true = [one["true"] for one in in_seconds["by_load"][:CHOSEN]]
    assert read == pytest.approx([487.5] * CHOSEN) and true == sorted(true) and true[-1] > 1.15 * true[0]
    naive = lab.result("histogram", {"observed": "milliseconds"})
    assert {one["read"] for one in naive["view"]["by_load"]} == {DEFAULT[-1]} == {naive["view"]["naive"]}
    shown = lab.show("histogram", naive)
    assert "beyond the last bucket" in shown.notes[1] and "are 0 to 100%" in shown.notes[3]
    assert shown.rows[0]["its bucket ends at (ms)"] == "never"


def test_a_goal_that_is_a_bound_is_counted_exactly(lab: OneLab) -> None:
    def seen(goal: float, buckets: str) -> dict[str, float]:
        view: dict[str, float] = lab.result("histogram", {"goal": goal, "buckets": buckets})["view"]
        assert view["in_time_low"] <= view["in_time"] + 1e-9 <= view["in_time_high"] + 2e-9
        return view

    known = seen(400.0, "ours")
    assert known["in_time_low"] == known["in_time_high"] == pytest.approx(known["in_time"])
    assert 0 < known["in_time"] < 100
    unknown = seen(400.0, "default")
    assert unknown["in_time_low"] < 1 and unknown["in_time_high"] == 100
    beyond = seen(5000.0, "default")
    assert beyond["in_time_low"] == 100 == beyond["in_time_high"]


@pytest.mark.parametrize("bounds", [DEFAULT, OURS], ids=["default", "ours"])
def test_the_goal_of_the_question_is_a_bound(bounds: Sequence[float]) -> None:
    assert 0.5 in bounds


def test_finer_buckets_read_more_truly(lab: OneLab) -> None:
    def worst(**view: object) -> float:
        seen = lab.result("histogram", view)["view"]["by_load"]
        return max(abs(one["read"] / one["true"] - 1) for one in seen)

    coarse, fine = worst(), worst(buckets="own", ratio=1.1, many=40)
    assert fine < 0.1 < 0.3 < coarse
    shown = lab.show("histogram", lab.result("histogram", {"buckets": "own", "many": 40, "ratio": 1.1}))
    assert "Finite bounds: 40; time series for each endpoint of each replica: 43." in shown.notes[-1]
