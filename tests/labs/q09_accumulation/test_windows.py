"""Windows over two epochs: the loop against the arithmetic, for any numbers; what is drawn and refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.contract.fields import ParamError
from labs.q09_accumulation.windows import COUNTERS, EPOCHS, POLICIES, Windows, WindowsParams
from labs.runner.inline import InlineClient
from tests.labs.one_lab import REGISTRY, shown

Result = Callable[..., dict[str, Any]]
CLIENT = InlineClient.start("cpu", model="nano-rope", registry=REGISTRY)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 16), st.sampled_from(POLICIES), st.sampled_from([*COUNTERS]))
def test_the_loop_does_what_arithmetic_says(batches: int, steps: int, policy: str, counter: str) -> None:
    job = CLIENT.submit(
        "q09/windows", {"batches": batches, "steps": steps, "policy": policy, "counter": counter}
    )
    assert job.result is not None, job.error
    loop, formula = job.result["loop"], job.result["formula"]
    places = [(update["first"], update["last"]) for update in loop["updates"]]
    assert places == [(update["first"], update["last"]) for update in formula["updates"]]
    weights = [update["weight"] for update in loop["updates"]]
    assert weights == pytest.approx([update["weight"] for update in formula["updates"]], rel=1e-5)
    assert [tuple(gap) for gap in loop["dropped"]] == [tuple(gap) for gap in formula["dropped"]]
    every = sorted([*places, *map(tuple, loop["dropped"])])
    assert every[0][0] == 1 and every[-1][1] == EPOCHS * batches
    assert all(after[0] == before[1] + 1 for before, after in pairwise(every))
    if policy.startswith("flush"):
        assert not loop["dropped"]
    if counter == "zero" and policy != "carry":
        flushed = bool(batches % steps) and policy != "drop"
        assert len(places) == EPOCHS * (batches // steps + flushed)


def test_what_is_left_joins_the_next_epoch(result: Result) -> None:
    seen = result("windows")
    assert (seen["updates_an_epoch"], seen["left"], seen["worst_weight"]) == (2, 7, 1.875)
    assert seen["loop"]["updates"][2] == {"first": 17, "last": 31, "weight": 1.875}
    assert [tuple(gap) for gap in seen["loop"]["dropped"]] == [(40, 46)]


@pytest.mark.parametrize(("policy", "worst"), [("drop", 1), ("flush_steps", 0.875), ("flush_left", 1)])
def test_a_flush_has_its_weight(result: Result, policy: str, worst: float) -> None:
    assert result("windows", policy=policy)["worst_weight"] == pytest.approx(worst, rel=1e-6)


def test_counting_from_one_makes_the_first_window_short(result: Result) -> None:
    first = result("windows", counter="one")["loop"]["updates"][0]
    assert (first["first"], first["last"], first["weight"]) == (1, 7, 0.875)


def test_each_update_is_drawn_over_its_micro_batches(result: Result) -> None:
    drawn = shown("q09/windows", result("windows"))
    updates, dropped, _ = drawn.figures["timeline"].data
    assert updates["base"] == [0.5, 8.5, 16.5, 31.5] and updates["x"] == [8, 8, 15, 8]
    assert (dropped["base"], dropped["x"]) == ([39.5], [7])
    assert drawn.sentence == {"said": 1.0, "formula": 1.875, "measured": 1.875, "unit": "×"}
    assert drawn.numbers["never used"] == 7


def test_an_epoch_shorter_than_a_window_never_updates(result: Result) -> None:
    seen = result("windows", batches=3)
    assert seen["loop"]["updates"] == [] and seen["worst_weight"] == 0
    drawn = shown("q09/windows", seen)
    assert drawn.rows and drawn.sentence is None and "never steps" in drawn.notes[0]


def test_the_formula_is_drawn_before_any_run() -> None:
    formula = Windows().formula(WindowsParams())
    drawn = shown("q09/windows", dict(formula))
    assert drawn.sentence is None and "formula" not in formula
    assert {trace["meta"]["role"] for trace in drawn.figures["weights"].data} == {"formula", "peer"}


def test_no_steps_are_refused() -> None:
    with pytest.raises(ParamError, match="Accumulation steps must be at least 1"):
        WindowsParams(steps=0)
