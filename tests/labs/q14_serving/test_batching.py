"""Slots of the engine: its trace against the simulation of a queue, conservation, and what is shown of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q14_serving.engine_trace import Wish, trace
from labs.q14_serving.queueing import Fleet, simulate
from labs.q14_serving.slots import Stay, at, served
from labs.tools.models import TINY, untrained
from minimind_core.model.minimind import MiniMind
from tests.labs.one_lab import OneLab

WISHES = st.lists(
    st.builds(Wish, st.integers(0, 20).map(float), st.integers(1, 20), st.integers(1, 6)),
    min_size=1,
    max_size=7,
    unique_by=lambda wish: wish.arrival,  # an idle queue begins with the first of those that come together
).map(sorted)
SMALL: dict[str, Any] = {"requests": 16, "answer": 8, "gap": 2.5, "goal": 30}
FEW = settings(max_examples=6, deadline=None)


@pytest.fixture(scope="module")
def model() -> MiniMind:
    return untrained(TINY, "cpu").eval()


def stays(model: MiniMind, wishes: list[Wish], slots: int, static: bool) -> list[Stay]:
    return trace(model, wishes, slots, 8, lambda share: None, static=static)


@pytest.mark.parametrize("static", [False, True])
@given(wishes=WISHES, slots=st.integers(1, 4))
@FEW
def test_without_prompts_the_engine_is_the_simulated_queue(
    model: MiniMind, static: bool, wishes: list[Wish], slots: int
) -> None:
    short = [wish._replace(prompt=1) for wish in wishes]
    outcome = simulate(
        Fleet(1, alpha=1, beta=0, cap=slots, static=static),
        [wish.arrival for wish in short],
        [wish.answer for wish in short],
    )
    assert [stay.back for stay in stays(model, short, slots, static)] == outcome.ends


@pytest.mark.parametrize("static", [False, True])
@given(wishes=WISHES, slots=st.integers(1, 4))
@FEW
def test_a_slot_serves_one_at_a_time_and_nobody_is_lost(
    model: MiniMind, static: bool, wishes: list[Wish], slots: int
) -> None:
    kept = stays(model, wishes, slots, static)
    assert [stay.end - stay.first + 1 for stay in kept] == [wish.answer for wish in wishes]
    for stay in kept:
        assert stay.arrival <= stay.admitted < stay.first <= stay.end <= stay.back and 0 <= stay.slot < slots
        assert static or stay.back == stay.end
    for slot in range(slots):
        turns = sorted((stay.admitted, stay.back) for stay in kept if stay.slot == slot)
        assert all(before[1] <= after[0] for before, after in pairwise(turns))
    summary = served(kept, slots, 10)
    if not static:
        assert summary["needless_percent"] == 0  # no slot is free while somebody waits
    used = sum(stay.end - stay.admitted for stay in kept)
    assert summary["used_percent"] == pytest.approx(100 * used / (slots * summary["steps"]))


def test_a_long_prompt_is_read_in_chunks_before_its_first_token(model: MiniMind) -> None:
    (only,) = stays(model, [Wish(2.5, 20, 3)], 1, False)
    assert only == Stay(2.5, 0, admitted=3, first=6, end=8, back=8)  # 19 tokens are read in 8 + 8 + 3
    assert [at([only], 1, step)["reading"] for step in range(2, 8)] == [0, 1, 1, 0, 0, 0]


def test_static_batches_wait_longer_for_the_same_requests(lab: OneLab) -> None:
    ways = lab.result("batching", **SMALL)["ways"]
    assert ways["static"]["p95"] > ways["continuous"]["p95"]
    assert ways["static"]["needless_percent"] > 0 == ways["continuous"]["needless_percent"]
    assert ways["static"]["goodput"] < ways["continuous"]["goodput"]


def test_the_line_shows_what_every_slot_does(lab: OneLab) -> None:
    result: dict[str, Any] = lab.result("batching", view={"at": 20}, **SMALL)
    shown = lab.show("batching", result)
    for instant in result["view"]["ways"].values():
        assert instant["reading"] + instant["decoding"] + instant["idle"] == result["slots"]
    assert result["view"]["step"] == 20 and any("Step 20" in note for note in shown.notes)
    assert (
        lab.result("batching", view={"at": 400}, **SMALL)["view"]["step"] == result["ways"]["static"]["steps"]
    )
