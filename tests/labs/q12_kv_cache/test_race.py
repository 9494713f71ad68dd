"""The race: what is counted against counting by brute force and torch's own counter, and what is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.q12_kv_cache import claims
from labs.q12_kv_cache.accounts import KV_HEADS, Generation, Way, crossover_tokens, sampled_steps
from labs.q12_kv_cache.race import NO_PROMPT, NOTHING_NEW, RaceParams
from labs.q12_kv_cache.race_figures import step_exponents
from labs.q12_kv_cache.race_summary import spread, summary
from labs.q12_kv_cache.runs import Meter, Runners, confirmed_operations
from labs.tools.models import untrained
from minimind_core.decoding.generate import generate
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import kv_cache_bytes, num_parameters
from tests.labs.one_lab import REGISTRY, OneLab

SHORT: dict[str, Any] = {"prompt": 6, "new": 5}


@pytest.fixture(scope="module")
def result(lab: OneLab) -> dict[str, Any]:
    return lab.result("race", **SHORT)


@given(st.integers(1, 40), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_costs_are_those_counted_step_by_step(prompt: int, new: int) -> None:
    race = Generation(prompt, new)
    ways: dict[Way, bool] = {"without": False, "with": True}
    for way, cache in ways.items():
        costs = race.costs(way)
        steps = claims.passes(prompt, new, cache=cache)
        assert costs["token_passes"].sum() == claims.fed_tokens(prompt, new, cache=cache)
        assert costs["operations"].sum() == claims.operations(steps)
        token, weights = kv_cache_bytes(ModelConfig(), 1, 1, 4), 4 * num_parameters(ModelConfig())
        read = sum(weights + token * (fed + (fed + before)) for fed, before in steps)
        assert costs["bytes"].sum() == read
    assert race.cache_bytes() == 8192 * (prompt + new - 1)
    assert [ratio[0] for ratio in race.ratios().values()] == [1, 1, 1]  # one token gains nothing


def test_the_problem_s_own_run_is_that_of_the_claims() -> None:
    formula = REGISTRY.find("q12/race").formula(RaceParams(512, 100, cache_dtype="fp16"))
    assert formula is not None
    assert formula["ratios"]["token_passes"] == claims.ratios()["passes"]
    assert formula["ratios"]["operations"] == pytest.approx(claims.ratios()["operations"])
    assert formula["cache"]["bytes"] == claims.run_bytes()["bytes"]
    assert crossover_tokens(ModelConfig()) == int(claims.attention_growth()["crossover"])


@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 4), st.sampled_from(KV_HEADS))
@settings(max_examples=25, deadline=None)
def test_what_is_spared_is_the_difference_of_both_ways(prompt: int, new: int, batch: int, heads: int) -> None:
    race = Generation(prompt, new, batch, kv_heads=heads)
    without, cached = (race.costs(way)["operations"].sum() for way in ("without", "with"))
    assert sum(race.spared().values()) == without - cached
    assert race.spared()["kv"] == heads / 8 * race.spared()["query"] * 2  # two matrices, fewer heads


def test_other_heads_change_the_cache_and_hardly_the_work(lab: OneLab) -> None:
    ours, one = lab.result("race", **SHORT), lab.result("race", **SHORT, kv_heads=1)
    assert 2 * one["cache"]["bytes"] == ours["cache"]["bytes"] and one["cache"]["shape"][1] == 1
    assert one["totals"]["with"]["bytes"] == Generation(6, 5, kv_heads=1).costs("with")["bytes"].sum()
    assert one["ratios"]["token_passes"] == ours["ratios"]["token_passes"]
    assert one["counter"] == {"forwards": 3, "agree": 3} and one["compared"]["same"] == 5
    assert "random weights" in " ".join(lab.show("race", one).notes)
    assert "random weights" not in " ".join(lab.show("race", ours).notes)


def test_the_slopes_are_those_of_the_times() -> None:
    race = Generation(100, 40)

    def step(number: int) -> dict[str, Any]:
        both = {
            way: {"seconds": (100.0 + number) ** power, "token_passes": 1.0, "bytes": 1.0}
            for way, power in (("without", 0.9), ("with", 0.1))
        }
        return {"number": number, "same": True, "apart": 0.0, "text": "x", **both}

    slopes = step_exponents(summary(race, "fp32", [step(number) for number in range(40)]))
    assert slopes["without"] == pytest.approx(0.9) and slopes["with"] == pytest.approx(0.1)
    assert max(slopes["without_error"], slopes["with_error"]) < 1e-9
    assert 0.95 < slopes["without_counted"] < 1.05 and 0 < slopes["with_counted"] < 0.1
    assert step_exponents(summary(race, "fp32", [step(number) for number in range(3)])) == {}


def test_torch_counts_the_same_operations() -> None:
    assert confirmed_operations(ModelConfig(), 16, 4, lambda _: None) == {"forwards": 3, "agree": 3}


def test_both_ways_choose_what_the_core_generates(result: dict[str, Any], lab: OneLab) -> None:
    assert result["compared"]["steps"] == result["compared"]["same"] == 5
    assert result["compared"]["largest_logit_difference"] < 1e-3
    model = untrained(ModelConfig(vocab_size=300, num_layers=2), "cpu").eval()
    ids = torch.tensor([[1, 7, 9], [1, 5, 4]])
    runners = Runners(model, ids, 4, torch.float32)
    with torch.inference_mode():
        runners.warm_up()
        for _ in range(4):
            runners.run_with()
            runners.run_without()
            assert runners.compare()[0]
            runners.choose()
    core = generate(model, ids.tolist(), SamplingParams(temperature=0), 4).new_ids
    assert runners.ids[:, 3:].tolist() == core


def test_the_meter_sees_what_the_formula_says(result: dict[str, Any]) -> None:
    race = Generation(6, 5)
    for way in ("without", "with"):
        for name in ("token_passes", "bytes"):
            assert result["totals"][way][name] == race.costs(way)[name].sum(), (way, name)
    assert result["cache"] == {"bytes": 8192 * 10, "shape": [1, 2, 10, 64]}
    assert result["counter"] == {"forwards": 3, "agree": 3}


def test_a_narrow_cache_is_half_as_large(lab: OneLab) -> None:
    narrow = lab.result("race", **SHORT, cache_dtype="fp16")
    assert narrow["cache"]["bytes"] == 4096 * 10
    assert narrow["totals"]["with"]["bytes"] == Generation(6, 5, 1, 4, 2).costs("with")["bytes"].sum()


def test_a_meter_forgets_what_was_taken() -> None:
    model = untrained(ModelConfig(vocab_size=300, num_layers=1), "cpu").eval()
    meter = Meter(model)
    with torch.inference_mode(), meter.watching(model):
        model(torch.ones(2, 3, dtype=torch.int64))
    assert meter.taken()["token_passes"] == 6 and meter.taken() == {"token_passes": 0, "bytes": 0}


def test_a_long_race_runs_some_steps_and_reads_the_others_off_a_line() -> None:
    plain = sampled_steps(512, 500, 1, 8000)
    assert plain[0] == 0 and plain[-1] == 499 and 5 <= len(plain) <= 12

    def step(number: int) -> dict[str, Any]:
        ran = {"seconds": 2.0 + number, "token_passes": 512.0 + number, "bytes": 1.0}
        both = {"without": ran, "same": True, "apart": 0.0} if number in plain else {"without": {}}
        return {"number": number, "with": dict.fromkeys(ran, 1.0), "text": "x", **both}

    seen = summary(Generation(512, 500), "fp32", [step(number) for number in range(500)])
    assert (
        seen["totals"]["without"]["token_passes"]
        == Generation(512, 500).costs("without")["token_passes"].sum()
    )
    assert seen["ratios"]["seconds"] == pytest.approx(sum(2.0 + number for number in range(500)) / 500)
    assert seen["compared"]["steps"] == len(plain) and len(seen["text"]) == 500


def test_the_spread_of_an_even_race_is_nothing() -> None:
    assert spread(np.full(10, 6.0), np.full(10, 2.0)) == {"low": 3, "high": 3}
    uneven = spread(np.array([4.0, 3, 6, 9]), np.array([1.0, 1, 1, 1]))
    assert uneven["low"] < 22 / 4 < uneven["high"]


def test_four_bars_and_their_sentence(result: dict[str, Any], lab: OneLab) -> None:
    shown = lab.show("race", result)
    said, formula, measured = shown.figures["ratios"].data
    assert [trace["meta"]["role"] for trace in (said, formula, measured)] == ["said", "formula", "measured"]
    assert all(
        bar["type"] == "bar" and len(bar["text"]) == len(bar["x"]) for bar in (said, formula, measured)
    )
    assert formula["x"] == pytest.approx([ratio[-1] for ratio in Generation(6, 5).ratios().values()])
    assert measured["x"] == [result["ratios"][name] for name in ("token_passes", "bytes", "seconds")]
    assert said["x"] == [8.0]  # 6 + (5 - 1) / 2
    assert shown.sentence is not None and shown.sentence["measured"] == result["ratios"]["seconds"]
    assert len(shown.rows) == 4 and set(shown.figures) == {"ratios", "steps", "growth", "spared", "crossover"}


def test_it_draws_itself_while_it_runs(lab: OneLab) -> None:
    experiment, job = REGISTRY.find("q12/race"), lab.done("race", **SHORT)
    assert len(job.partials) == 5
    half = experiment.so_far(RaceParams(**SHORT), job.partials[:3])
    assert half is not None and half["new"] == 3 and half["ratios"]["token_passes"] == 21 / 8
    assert "growth" in lab.show("race", half).figures


@pytest.mark.parametrize(("field", "sentence"), [("prompt", NO_PROMPT), ("new", NOTHING_NEW)])
def test_nothing_to_read_or_write_is_one_sentence(lab: OneLab, field: str, sentence: str) -> None:
    assert lab.refused("race", **{field: 0}) == sentence
