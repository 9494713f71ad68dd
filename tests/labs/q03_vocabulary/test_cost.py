"""The bill: the formula is what the model has and does, and what the claims add up in integers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.q03_vocabulary import claims, prices
from labs.q03_vocabulary.cost import Cost, CostParams
from labs.runner.inline import InlineClient
from minimind_core.model.cost import num_parameters
from tests.labs.one_lab import Run, Show


@pytest.fixture(scope="module")
def result(run: Run) -> dict[str, Any]:
    return run("cost")


def test_what_is_counted_is_the_formula_and_the_claim(result: dict[str, Any]) -> None:
    claim = claims.operations_per_sentence()
    assert result["counted"]["ours"] == pytest.approx({"all": claim["ours"], "last": claim["prompt_ours"]})
    assert result["counted"]["other"] == pytest.approx({"all": claim["large"], "last": claim["prompt_large"]})
    assert result["sentence_ratio"] == pytest.approx(claim["ratio"])
    assert result["formula"]["sentence_ratio"] == pytest.approx(result["sentence_ratio"])
    assert result["added_millions"] == result["formula"]["added_millions"] == 47.9232
    assert result["counted"]["parameters_other"] == claims.larger()["total"]


@pytest.mark.parametrize(
    "settings",
    [
        {"vocab_size": 1000, "tokens_other": 10, "logits": "last"},
        {"vocab_size": 259, "tied": False, "hidden": 128, "layers": 3},
        {"vocab_size": 151_936, "tokens_ours": 40, "hidden": 1024, "layers": 2},
    ],
)
def test_every_shape_is_counted_as_the_formula_says(run: Run, settings: dict[str, Any]) -> None:
    result = run("cost", **settings)
    assert result["sentence_ratio"] == pytest.approx(result["formula"]["sentence_ratio"], rel=1e-12)
    assert result["added_millions"] == pytest.approx(result["formula"]["added_millions"], rel=1e-12)
    for side in ("ours", "other"):
        assert result["counted"][f"parameters_{side}"] == result[side]["parameters"]


@given(st.integers(259, 262_144), st.integers(1, 512))
def test_the_invariants_of_the_shipped_shape(entries: int, tokens: int) -> None:
    assert num_parameters(prices.shape(entries)) == 22_553_088 + 512 * entries
    assert num_parameters(prices.shape(entries, one_matrix=False)) == 22_553_088 + 1024 * entries
    operations = sum(prices.operations(prices.shape(entries), tokens, tokens).values())
    exact = tokens * (45_088_768 + 1_024 * entries) + 16_384 * tokens**2
    assert operations == pytest.approx(exact / 1e6, rel=1e-12)


def test_bytes_are_those_of_the_claims() -> None:
    ours, large = (prices.shape(entries) for entries in (6_400, 100_000))
    assert prices.read_megabytes(large) / prices.read_megabytes(ours) == pytest.approx(
        claims.decode_bytes()["ratio"]
    )
    untied = prices.shape(6_400, one_matrix=False)
    assert prices.read_megabytes(untied) == prices.read_megabytes(ours)
    memory = claims.memory()
    assert round(prices.training_megabytes(large)) == memory["state_large"]
    assert round(prices.logits_megabytes(100_000)) == memory["logits_large"]


def test_the_figure_flips_the_verdict_with_our_own_counts(show: Show) -> None:
    experiment, params = Cost(), CostParams(tokens_other=2)
    formula = experiment.formula(params)
    shown = show("cost", formula)
    parts = [trace for trace in shown.figures["operations"].data if trace["type"] == "bar"]
    totals = [sum(column) for column in zip(*(part["y"] for part in parts), strict=True)]
    assert [trace["meta"]["role"] for trace in parts] == ["formula"] * 3
    assert totals[1] > totals[0] and totals[3] < totals[2]
    assert "1.14" in shown.notes[0] and "0.83" in shown.notes[0] and shown.sentence is None


def test_a_run_stands_on_its_bars_and_says_three_numbers(result: dict[str, Any], show: Show) -> None:
    shown = show("cost", result)
    marks = next(one for one in shown.figures["operations"].data if one["meta"]["role"] == "measured")
    assert marks["y"] == pytest.approx([258.62144, 590.217216, 232.40704, 283.017216])
    assert shown.sentence is not None and shown.sentence["said"] == pytest.approx(0.64)
    assert shown.sentence["measured"] == result["sentence_ratio"]
    row = next(row for row in shown.rows if row["Entries of the vocabulary"] == 100_000)
    assert row["Against 6,400"] == 47_923_200 and row["Share (%)"] == pytest.approx(69.42, abs=0.01)


@pytest.mark.parametrize("name", ["cost", "merges"])
def test_too_few_entries_is_one_sentence(client: InlineClient, name: str) -> None:
    job = client.submit(f"q03/{name}", {"vocab_size": 258})
    sentence = "Byte-level BPE needs 256 byte symbols plus 3 specials; 259 is the floor."
    assert (job.state, job.error) == ("failed", sentence)
