"""p^B in exact fractions, sorted corpora by counting, and shuffled ones within their own noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labs.q02_empty_text.chance import Chance, ChanceParams, chances, count_hit, cut
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 899), st.integers(1, 64), st.integers(1, 64))
def test_the_chances_are_those_of_exact_fractions(tenths: int, rows: int, micro_batches: int) -> None:
    share = Fraction(tenths, 1000)
    here = chances(tenths / 1000, rows, micro_batches)
    true = {
        "all_empty": share**rows,
        "any_empty": 1 - (1 - share) ** rows,
        "step": 1 - (1 - share**rows) ** micro_batches,
    }
    assert here == pytest.approx({name: float(100 * value) for name, value in true.items()}, rel=1e-9)


def test_the_numbers_of_the_question() -> None:
    assert chances(0.01, 32, 1)["all_empty"] == pytest.approx(1e-62)
    assert chances(0.1, 1, 8)["step"] == pytest.approx(56.95, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["shortest_first", "longest_first"]),
    st.floats(0.1, 90),
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(100, 400),
)
@example("longest_first", 0.4, 3, 1, 100)  # no row is empty after all
def test_a_sorted_corpus_is_hit_where_division_says(
    order: str, percent: float, rows: int, micro_batches: int, corpus: int
) -> None:
    params = ChanceParams(percent, rows, micro_batches, order, corpus)
    empty = round(corpus * percent / 100)
    lengths = sorted([0] * empty + [5] * (corpus - empty), reverse=order == "longest_first")
    batches = [lengths[start : start + rows] for start in range(0, corpus, rows)]
    all_empty = [not any(batch) for batch in batches]
    steps = [any(all_empty[start : start + micro_batches]) for start in range(0, len(batches), micro_batches)]
    true = {
        "all_empty": 100 * sum(all_empty) / len(batches),
        "any_empty": 100 * sum(0 in batch for batch in batches) / len(batches),
        "step": 100 * sum(steps) / len(steps),
    }
    assert Chance().formula(params)["formula"] == pytest.approx(true)
    counted = count_hit(cut(np.array(lengths) == 0, rows), micro_batches).tolist()
    touched = sum(0 in batch for batch in batches)
    assert counted == [sum(all_empty), touched, len(batches), sum(steps), len(steps)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 899), st.integers(1, 64), st.integers(1, 64), st.integers(100, 400))
@example(10, 3, 1, 100)  # one row is left: its chance is a thousand times that of a full batch
def test_the_last_batch_of_a_shuffled_corpus_counts_with_the_rows_it_has(
    tenths: int, rows: int, micro_batches: int, corpus: int
) -> None:
    share = Fraction(tenths, 1000)
    sizes = [len(range(start, min(start + rows, corpus))) for start in range(0, corpus, rows)]
    spared = [1 - share**size for size in sizes]
    steps = [spared[start : start + micro_batches] for start in range(0, len(sizes), micro_batches)]
    true = {
        "all_empty": 1 - sum(spared) / len(sizes),
        "any_empty": 1 - sum((1 - share) ** size for size in sizes) / len(sizes),
        "step": 1 - sum(math.prod(step) for step in steps) / len(steps),
    }
    params = ChanceParams(tenths / 10, rows, micro_batches, corpus=corpus)
    here = Chance().formula(params)
    assert here["formula"] == pytest.approx(
        {name: float(100 * value) for name, value in true.items()}, rel=1e-9
    )
    assert here.get("left") == corpus % rows


@pytest.mark.parametrize(
    "settings",
    [{}, {"batch_rows": 2, "percent": 30.0}, {"batch_rows": 3, "percent": 10.0}, {"order": "longest_first"}],
    ids=str,
)
def test_what_is_counted_is_what_the_formula_says_but_for_luck(
    result: Result, settings: dict[str, Any]
) -> None:
    chance = result("chance", **settings)
    share = chance["formula"]["step"] / 100
    luck = 100 * math.sqrt(share * (1 - share) / chance["steps"]) if "order" not in settings else 1e-9
    assert chance["here"]["step"] == pytest.approx(100 * share, abs=5 * luck)
    assert len(chance["shares"]) == -(-1000 // chance["batch_rows"])


def test_the_formula_is_drawn_before_anything_was_counted_and_waiting_is_written_out(result: Result) -> None:
    rare = {"percent": 1, "batch_rows": 32, "micro_batches": 1}
    alone = shown("q02/chance", Chance().formula(ChanceParams(**rare, corpus=3200)))
    assert list(alone.figures) == ["chance"] and alone.sentence is None
    assert alone.notes[0] == "On average the first one comes after 10⁶⁴ steps."
    smaller = shown("q02/chance", Chance().formula(ChanceParams(**rare, corpus=1000))).notes
    assert smaller[0] == "On average the first one comes after 10¹⁷ steps.", "by the last batch, of 8 rows"
    assert "left with 8 of its rows" in smaller[2] and len(smaller) == len(alone.notes) + 1
    seen = shown("q02/chance", result("chance"))
    assert list(seen.figures) == ["chance", "batches"]
    assert seen.sentence is not None and seen.sentence["said"] == 10
