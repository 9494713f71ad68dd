"""Arrivals: the law of Poisson's, the gaps of the others, and what a trace file may hold."""

from __future__ import annotations

import math
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.errors import ConfigError, FileError
from serving.load.arrivals import MOST_BYTES, bounded, poisson, trace, uniform

SEEDS, RATES = st.integers(0, 10**9), st.floats(0.1, 500.0)


def distance_from_uniform(values: list[float]) -> float:
    """Kolmogorov's distance of their distribution from that of a uniform number."""
    count = len(values)
    ranked = enumerate(sorted(values))
    return max(max(value - rank / count, (rank + 1) / count - value) for rank, value in ranked)


def never_exceeded(count: int) -> float:
    """The distance that chance exceeds once in 10**12 (Massart 1990: P(D > e) <= 2 exp(-2 n e^2))."""
    return math.sqrt(math.log(2e12) / (2 * count))


@given(SEEDS, RATES)
@settings(max_examples=20, deadline=None)
def test_gaps_of_poisson_arrivals_are_exponential_and_independent(seed: int, rate: float) -> None:
    times = bounded(poisson(rate, math.inf, seed), math.inf, 2000)
    gaps = [after - before for before, after in pairwise([0.0, *times])]
    shares = [-math.expm1(-rate * gap) for gap in gaps]
    assert distance_from_uniform(shares) < never_exceeded(len(shares))
    # The sum of two neighbours follows Erlang's law only if they know nothing of each other.
    pairs = [rate * (one + other) for one, other in zip(gaps[::2], gaps[1::2], strict=True)]
    erlang = [1 - (1 + both) * math.exp(-both) for both in pairs]
    assert distance_from_uniform(erlang) < never_exceeded(len(erlang))


@given(SEEDS, RATES, st.floats(0.0, 20.0))
@settings(max_examples=30, deadline=None)
def test_a_seed_gives_the_same_arrivals_and_a_longer_run_goes_on_with_them(
    seed: int, rate: float, seconds: float
) -> None:
    times = list(poisson(rate, seconds, seed))
    assert times == sorted(times) and all(0 < time < seconds for time in times)
    assert times == bounded(poisson(rate, 2 * seconds + 1, seed), seconds, 10**6)
    twice_as_fast = list(poisson(2 * rate, seconds / 2, seed))
    assert twice_as_fast == pytest.approx([time / 2 for time in times])


def test_even_arrivals_have_one_gap_and_stay_below_the_end() -> None:
    assert list(uniform(10.0, 1.0)) == pytest.approx([0.1 * number for number in range(1, 10)])


def test_a_test_is_bounded_in_time_and_in_number() -> None:
    assert bounded([0.0, 1.0, 2.0, 3.0], 2.5, 10) == [0.0, 1.0, 2.0]
    assert bounded(poisson(1.0, math.inf, 0), math.inf, 5) == list(poisson(1.0, 100.0, 0))[:5]


def test_a_trace_begins_at_its_first_time_whatever_its_clock(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("# a log\n1700000002.5\n\n1700000000\n1700000001\n")
    assert trace(file) == [0.0, 1.0, 2.5]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"1\ntwo\n", "line 2: 'two' is not a number of seconds"),
        (b"nan\n", "line 1: 'nan'"),
        (b"# nothing\n", "holds no number"),
        ("1\n2\n".encode("utf-16"), "is not UTF-8: save it so"),
        (b"\xff", "is not UTF-8: save it so"),
    ],
)
def test_a_trace_that_is_none_is_refused_with_a_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "trace.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        trace(file)


@pytest.mark.parametrize("name", ["large", "pipe", "/dev/zero"])
def test_a_trace_without_an_end_is_not_read(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "large":
        file.touch()
        os.truncate(file, MOST_BYTES + 1)
    elif name == "pipe":
        os.mkfifo(file)
    with pytest.raises(FileError, match=r"device or a pipe|at most 16,777,216 are read"):
        trace(file)


def test_a_mark_of_an_editor_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "trace.txt").write_text("0\n1\n", encoding="utf-8-sig")
    assert trace(tmp_path / "trace.txt") == [0.0, 1.0]


def test_a_missing_trace_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        trace(tmp_path / "none.txt")
