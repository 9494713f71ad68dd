"""The mistakes of the bug gallery really happen, and what is told of them is what happened."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from labs.q13_sampling.broken import attempt, circulating_function, normalized_over_batch

from labs.contract import jsonable
from labs.contract.registry import LANGUAGES, Registry
from labs.runner.inline import InlineClient
from minimind_core.decoding.sampling import filter_logits

REGISTRY = Registry.discover()


def run(**params: Any) -> dict[str, Any]:
    job = InlineClient.start("cpu", registry=REGISTRY).submit("q13/bugs", params)
    assert job.result is not None, job.error
    return job.result


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return run()


def case(result: dict[str, Any], bug: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in result["cases"] if (each["bug"], each["case"]) == (bug, name))
    assert isinstance(found, dict)
    return found


def test_the_flat_ids_work_for_a_vector_only(result: dict[str, Any]) -> None:
    assert case(result, "index", "vector")["outcome"] == "numbers"
    for name, shape in (("one_row", [1, 6400]), ("eight_rows", [8, 6400])):
        seen = case(result, "index", name)
        assert (seen["input"], seen["outcome"]) == (shape, "IndexError")
        assert f"out of bounds for dimension 0 with size {shape[0]}" in seen["said"]
    six = case(result, "index", "six_rows")
    assert (six["input"], six["outcome"]) == ([6, 6], "nan")


def test_more_rows_than_ids_lose_whole_rows_in_silence(result: dict[str, Any]) -> None:
    assert case(result, "index", "more_rows")["outcome"] == "numbers"
    assert result["wiped_rows"] == 6 and result["row_sums"]["wiped"][:6] == [0.0] * 6
    assert result["row_sums"]["wiped"][6:] == pytest.approx([0.1] * 10)
    drawn = case(result, "index", "draw")
    assert drawn["outcome"] == "RuntimeError" and drawn["said"]


def test_one_sum_for_the_batch_shrinks_every_row(result: dict[str, Any]) -> None:
    assert result["row_sums"]["shared"] == pytest.approx([1 / 16] * 16)
    assert result["row_sums"]["right"] == pytest.approx([1.0] * 16)
    assert result["log_probability_shift"] == pytest.approx(-math.log(16), abs=1e-5)


def test_dividing_a_negative_logit_raises_it(result: dict[str, Any]) -> None:
    logit, probability = result["penalty"]["logit"], result["penalty"]["probability"]
    assert logit == pytest.approx({"before": -2, "divided": -2 / 1.2, "right": -2.4})
    assert probability["right"] < probability["before"] < probability["divided"]
    neutral = run(penalty=1)["penalty"]["probability"]
    assert neutral["right"] == neutral["before"] == neutral["divided"]


def test_dividing_by_zero_gives_nan_where_the_core_is_greedy(result: dict[str, Any]) -> None:
    assert all(math.isnan(share) for share in result["zero"]["divided"])
    assert result["zero"]["core"] == [1, 0, 0, 0, 0]
    assert case(result, "zero", "draw")["outcome"] == "RuntimeError"
    assert "nan" in case(result, "zero", "draw")["said"]


@pytest.mark.parametrize("rows", [6, 7, 64])
def test_any_number_of_rows_can_be_told_and_drawn(rows: int) -> None:
    result = run(rows=rows)
    assert result["wiped_rows"] == 6 and len(result["row_sums"]["wiped"]) == rows
    assert math.isnan(result["row_sums"]["wiped"][0]) == (rows == 6)
    figures = REGISTRY.find("q13/bugs").figures(
        jsonable.loads(jsonable.dumps(result)), REGISTRY.strings("en").__getitem__
    )
    assert list(figures) == ["sums", "penalty"]
    assert [len(trace.x) for trace in figures["sums"].data] == [rows] * 3
    json.dumps([json.loads(figure.to_json()) for figure in figures.values()])


def test_every_case_and_bug_has_words(result: dict[str, Any]) -> None:
    for language in LANGUAGES:
        words = REGISTRY.strings(language)
        for each in result["cases"]:
            assert {f"q13.bugs.{each['bug']}", f"q13.bugs.case.{each['case']}"} <= words.keys()
        REGISTRY.find("q13/bugs").figures(result, words.__getitem__)


def test_the_broken_codes_are_broken_in_one_way_only() -> None:
    logits = torch.randn(50, generator=torch.Generator().manual_seed(0))
    right = filter_logits(logits, 0.8, top_p=0.9)
    torch.testing.assert_close(circulating_function(logits, 0.8, 0.9), right)
    torch.testing.assert_close(normalized_over_batch(logits[None], 0.8, 0.9)[0], right)


def test_other_errors_are_ours() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(lambda x: x / (1 // 0), torch.ones(1))
