"""The mistakes of the bug gallery really happen, and what is told of them is what happened."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from labs.contract import Words
from labs.q13_sampling.bugs import (
    Bugs,
    BugsResult,
    attempt,
    circulating_function,
    divided_penalty,
    normalized_over_batch,
)
from minimind_core.decoding.sampling import apply_repetition_penalty, filter_logits
from tests.labs.one_lab import Run, completed


@pytest.fixture(scope="module")
def result(run: Run) -> BugsResult:
    return completed(run("bugs"))


def case(result: Any, bug: str, name: str) -> dict[str, Any]:
    (found,) = (call for call in result["cases"] if (call["bug"], call["case"]) == (bug, name))
    return dict(found)


def test_the_flat_ids_work_for_a_vector_only(result: BugsResult) -> None:
    assert case(result, "index", "vector")["outcome"] == "numbers"
    for name, shape in (("one_row", [1, 6400]), ("eight_rows", [8, 6400])):
        seen = case(result, "index", name)
        assert (seen["input"], seen["outcome"]) == (shape, "IndexError")
        assert f"out of bounds for dimension 0 with size {shape[0]}" in seen["said"]
    six = case(result, "index", "six_rows")
    assert (six["input"], six["outcome"]) == ([6, 6], "nan")


def test_more_rows_than_ids_lose_whole_rows_in_silence(result: BugsResult) -> None:
    assert case(result, "index", "more_rows")["outcome"] == "numbers"
    assert result["wiped_rows"] == 6 and result["row_sums"]["wiped"][:6] == [0.0] * 6
    assert result["row_sums"]["wiped"][6:] == pytest.approx([0.1] * 10)
    drawn = case(result, "index", "draw")
    assert drawn["outcome"] == "RuntimeError" and drawn["said"]


def test_one_sum_for_the_batch_shrinks_every_row(result: BugsResult) -> None:
    assert result["row_sums"]["shared"] == pytest.approx([1 / 16] * 16)
    assert result["row_sums"]["right"] == pytest.approx([1.0] * 16)
    assert result["log_probability_shift"] == pytest.approx(-math.log(16), abs=1e-5)


def test_dividing_a_negative_logit_raises_it(result: BugsResult, run: Run) -> None:
    logits, seen = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([False, False, True])
    assert divided_penalty(logits, seen, 1.2).tolist() == pytest.approx([1, 0, -2 / 1.2])
    assert apply_repetition_penalty(logits, seen, 1.2).tolist() == pytest.approx([1, 0, -2.4])
    probability = result["penalty"]["probability"]
    assert probability["before"] == pytest.approx(float(logits.softmax(-1)[-1]))
    assert probability["right"] < probability["before"] < probability["divided"]
    neutral = completed(run("bugs", penalty=1))["penalty"]["probability"]
    assert neutral["right"] == neutral["before"] == neutral["divided"]


def test_dividing_by_zero_gives_nan_that_nothing_can_be_drawn_from(result: BugsResult) -> None:
    assert case(result, "zero", "divided")["outcome"] == "nan"
    drawn = case(result, "zero", "draw")
    assert drawn["outcome"] == "RuntimeError" and "nan" in drawn["said"]


@pytest.mark.parametrize("rows", [6, 7, 64])
def test_any_number_of_rows_can_be_told_and_drawn(rows: int, run: Run, text: Words) -> None:
    result = completed(run("bugs", rows=rows))
    assert result["wiped_rows"] == 6 and len(result["row_sums"]["wiped"]) == rows
    assert math.isnan(result["row_sums"]["wiped"][0]) == (rows == 6)
    figures = Bugs().show(result, text).figures
    assert [len(trace["x"]) for trace in figures["sums"].data] == [rows] * 3
    undrawn = [y is None for y in figures["sums"].data[0]["y"]]
    assert undrawn == [rows == 6] * rows, "plotly cannot draw NaN"


def test_figures_table_and_numbers_say_which_is_which(text: Words) -> None:
    result: BugsResult = {
        "cases": [
            {"bug": "index", "case": "one_row", "input": [1, 9], "outcome": "IndexError", "said": "out"},
            {"bug": "zero", "case": "draw", "input": [5], "outcome": "numbers", "said": ""},
        ],
        "rows": 2,
        "row_sums": {"wiped": [0.0, 0.1], "shared": [0.5, 0.6], "right": [1.0, 1.0]},
        "wiped_rows": 1,
        "log_probability_shift": -0.7,
        "penalty": {"probability": {"before": 0.2, "divided": 0.3, "right": 0.1}},
    }
    shown = Bugs().show(result, text)
    sums, penalty = shown.figures["sums"], shown.figures["penalty"]
    assert [(trace["name"], trace["meta"]["role"], trace["x"], trace["y"]) for trace in sums.data] == [
        ("flat ids on the batch dimension", "measured", [1, 2], [0.0, 0.1]),
        ("one sum for the whole batch", "said", [1, 2], [0.5, 0.6]),
        ("every row by itself", "formula", [1, 2], [1.0, 1.0]),
    ]
    assert [(bar["y"], bar["meta"]["role"], bar["x"], bar["text"]) for bar in penalty.data] == [
        (["no penalty"], "peer", [0.2], [" 20.00%"]),
        (["divided"], "said", [0.3], [" 30.00%"]),
        (["multiplied"], "measured", [0.1], [" 10.00%"]),
    ]
    assert shown.rows == [
        {
            "Mistake": "Sorted ids, flattened, index the batch dimension",
            "Called with": "one row",
            "Shape": "[1, 9]",
            "What came of it": "IndexError: out",
        },
        {
            "Mistake": "The logits are divided by temperature 0",
            "Called with": "a draw from what came out",
            "Shape": "[5]",
            "What came of it": "numbers",
        },
    ]
    assert shown.numbers == {"Rows wiped out": 1, "Shift of a log-probability (nats)": -0.7}


def test_every_call_has_words(result: BugsResult, text: Words) -> None:
    assert len(Bugs().show(result, text).rows) == 10


def test_the_broken_codes_are_broken_in_one_way_only() -> None:
    logits = torch.randn(50, generator=torch.Generator().manual_seed(0))
    right = filter_logits(logits, 0.8, top_p=0.9)
    torch.testing.assert_close(circulating_function(logits, 0.8, 0.9), right)
    torch.testing.assert_close(normalized_over_batch(logits[None], 0.8, 0.9)[0], right)


def test_other_errors_are_ours() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(lambda x: x / (1 // 0), torch.ones(1))
