"""Timing in turn: every way meets every place in the order, and a run that nobody waits for stops at once."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from labs.tools import interleaved as timing
from labs.tools.interleaved import interleaved, middle, seconds_a_call


def quiet(_share: float) -> None:
    """Hears no progress."""


class Clock:
    """Stands in for the timing of a way: notes who was timed, and finds the machine slower every time."""

    def __init__(self, ways: dict[str, Callable[[], None]]) -> None:
        self.names = {way: name for name, way in ways.items()}
        self.timed: list[str] = []

    def __call__(self, way: Callable[[], None], calls: int, device: torch.device) -> float:
        self.timed.append(self.names[way])
        return float(len(self.timed))


@pytest.fixture
def ways() -> dict[str, Callable[[], None]]:
    return {name: (lambda: None) for name in "abc"}


@pytest.fixture
def clock(ways: dict[str, Callable[[], None]], monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(ways)
    monkeypatch.setattr(timing, "seconds_a_call", clock)
    return clock


def test_every_round_begins_with_another_way(ways: dict[str, Callable[[], None]], clock: Clock) -> None:
    times = interleaved(ways, "cpu", 1e-9, quiet, min_rounds=6)
    warm_up, rounds = clock.timed[:3], clock.timed[3:]
    assert warm_up == ["a", "b", "c"]
    assert ["".join(rounds[start : start + 3]) for start in range(0, 18, 3)] == ["abc", "bca", "cab"] * 2
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 6, "b": 6, "c": 6}


def test_a_drift_of_the_machine_meets_all_ways_alike(
    ways: dict[str, Callable[[], None]], clock: Clock
) -> None:
    times = interleaved(ways, "cpu", 1e-9, quiet, min_rounds=6)
    assert len({sum(seconds) for seconds in times.values()}) == 1, times


def test_a_call_is_timed_often_enough_to_fill_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def timed(_way: Callable[[], None], calls: int, _device: torch.device) -> float:
        asked.append(calls)
        return 0.001

    monkeypatch.setattr(timing, "seconds_a_call", timed)
    interleaved({"a": lambda: None}, "cpu", 1e-9, quiet, min_rounds=2)
    assert asked == [1, 40, 40]  # 0.04 s of 0.001 s each


def test_the_share_done_rises_to_the_end(ways: dict[str, Callable[[], None]], clock: Clock) -> None:
    shares: list[float] = []
    interleaved(ways, "cpu", 1e-9, shares.append, min_rounds=4)
    assert shares == sorted(shares) and shares[0] == 0 and 0.7 < shares[-1] <= 1


def test_a_cancel_ends_it_at_the_next_timing(ways: dict[str, Callable[[], None]], clock: Clock) -> None:
    def cancelled(_share: float) -> None:
        if len(clock.timed) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interleaved(ways, "cpu", 1000, cancelled)
    assert len(clock.timed) == 5


def test_a_call_takes_its_share_of_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "clock", lambda _device: "wall")
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=iter([10.0, 15.0]).__next__))
    made: list[None] = []
    assert seconds_a_call(lambda: made.append(None), 50, torch.device("cpu")) == 0.1 and len(made) == 50


def test_the_middle_of_one_round_is_the_round() -> None:
    assert middle([2.0]) == {"median": 2, "low": 2, "high": 2}
