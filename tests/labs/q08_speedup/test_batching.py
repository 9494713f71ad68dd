"""Many users: the schedule counts right, and the texts are those of the decoder."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract import ParamError
from labs.machine import probes
from labs.q08_speedup import batching, schedule
from labs.q08_speedup.batch_steps import first_difference, greedy
from labs.q08_speedup.batching import BatchingParams
from labs.tools.budgets import PerDevice
from tests.labs.one_lab import OneLab, Show, completed
from tests.labs.q08_speedup.conftest import lively

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def small() -> OneLab:
    return OneLab("q08", "random:byte-128", once=True)


@pytest.fixture(scope="module")
def result(small: OneLab) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        patch.setattr(batching, "BATCHES", PerDevice(cpu=(1, 4), cuda=(1, 4)))
        patch.setattr(batching, "PROMPTS", PerDevice(cpu=5, cuda=5))
        return small.result("batching", new_tokens=4)


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(1, 8))
def test_both_schedules_serve_everyone_once_and_continuous_is_never_later(
    lengths: list[int], slots: int
) -> None:
    static, continuous = schedule.static(lengths, slots), schedule.continuous(lengths, slots)
    for served in (static, continuous):
        assert [one.end - one.start for one in served] == lengths
        busy = sorted((one.slot, one.start, one.end) for one in served)
        for (slot, _, end), (other, start, _) in itertools.pairwise(busy):
            assert slot != other or end <= start, "two requests in one slot"
        assert all(0 <= one.slot < slots for one in served)
        assert 0 < schedule.used_share(served, slots) <= 1
    assert schedule.makespan(continuous) <= schedule.makespan(static)


@pytest.mark.parametrize("slots", [1, 8, 32])
def test_equal_lengths_gain_nothing_and_no_law_more_than_its_bound(slots: int) -> None:
    for law in schedule.LAWS:
        lengths = schedule.drawn_lengths(law, 64 * slots)
        static, continuous = schedule.static(lengths, slots), schedule.continuous(lengths, slots)
        factor = schedule.makespan(static) / schedule.makespan(continuous)
        assert 1 <= factor <= 1.1 * schedule.bound(law, slots)
        assert law != "equal" or factor == 1
    assert schedule.bound("uniform", slots) < 2


def test_a_view_counts_without_a_run(small: OneLab, result: dict[str, Any], show: Show) -> None:
    job = small.done("batching", new_tokens=4)
    equal = completed(job, {"law": "equal", "slots": 4})["view"]
    assert (equal["factor"], equal["bound"]) == (1, 1) and equal["used"] == {"static": 1, "continuous": 1}
    view = result["view"]
    assert view["factor"] == view["static_steps"] / view["continuous_steps"] > 3
    bars = show("batching", result).figures["schedule"].data
    assert [len(trace["x"]) for trace in bars] == [4 * 32] * 2
    assert bars[0]["base"] == [start for _, start, _ in view["drawn"]["static"]]


@pytest.mark.parametrize(
    ("typed", "slots", "steps", "factor", "used"),
    [
        ("100 10", 2, (100, 100), 1.0, 0.55),  # the question's two requests
        ("100 10，100, 10", 2, (200, 110), 200 / 110, 0.55),
        ("100 100 10 10 10 10", 2, (120, 120), 1.0, 1.0),
        ("10 100 10 10 10 10 10", 2, (130, 100), 1.3, 160 / 260),
    ],
)
def test_a_list_of_ones_own_is_served_as_it_stands(
    typed: str, slots: int, steps: tuple[int, int], factor: float, used: float, small: OneLab, show: Show
) -> None:
    view = {"law": "own", "lengths": typed, "slots": slots}
    result = completed(small.done("batching", new_tokens=4), view)
    found = result["view"]
    assert (found["static_steps"], found["continuous_steps"]) == steps
    assert found["factor"] == pytest.approx(factor) and found["used"]["static"] == pytest.approx(used)
    assert (
        found["factor"] <= found["bound"] and "the lengths of your list" in show("batching", result).notes[0]
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(1, 8), st.randoms())
def test_no_order_of_a_list_gains_more_than_its_bound(lengths: list[int], slots: int, random: Random) -> None:
    bound, static = schedule.most_gain(lengths, slots), schedule.makespan(schedule.static(lengths, slots))
    random.shuffle(lengths)
    assert static / schedule.makespan(schedule.continuous(lengths, slots)) <= bound


@pytest.mark.parametrize(
    "typed", ["", "0", "-5", "1.5", "NaN", "1e3", "٣", "10 ms", "999999", "9" * 400, "1 " * 501]
)
def test_a_list_that_cannot_be_read_is_one_sentence(typed: str) -> None:
    with pytest.raises(ParamError, match="whole numbers from 1 to 100,000"):
        BatchingParams(law="own", lengths=typed)
    BatchingParams(lengths=typed)  # nobody asks for it


def test_texts_in_company_are_the_same_but_for_rounding(result: dict[str, Any], show: Show) -> None:
    company = result["company"]
    assert company == {"prompts": 5, "batch": 8, "new_tokens": 4, "changed": 0, "first": None}
    assert "none of 5 greedy texts" in show("batching", result).notes[2]
    company = {**company, "changed": 2, "first": 1}
    assert "first at token 2" in show("batching", {**result, "company": company}).notes[2]


def test_greedy_texts_are_those_of_the_largest_logit() -> None:
    model = lively(0)
    prompts = [[5, 6, 7], [9, 8, 7], [1, 2, 3]]
    written = greedy(model, prompts, 2, 3, lambda _share: None)
    import torch

    for prompt, new in zip(prompts, written, strict=True):
        ids = list(prompt)
        for token in new:
            assert int(model(torch.tensor([ids]))[0, -1].argmax()) == token
            ids.append(token)
    assert len({token for new in written for token in new}) > 4
    assert first_difference([1, 2], [1, 2]) is None


def test_the_step_is_that_of_so_many_rows(result: dict[str, Any]) -> None:
    assert list(result["steps"]) == ["1", "4"]
    for batch, step in result["steps"].items():
        assert step["rate"] == pytest.approx(int(batch) / step["seconds"]["median"])
    assert batching.knee({1: 1.0, 2: 1.9, 4: 2.0}) == 4 and probes.LAUNCHES > 0
