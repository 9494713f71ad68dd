"""The scaler's rule beside torch's own scaler, and the list of steps that overflow."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from labs.contract.fields import ParamError
from labs.q10_grad_scaler import claims
from labs.q10_grad_scaler.scaler import Scaler, ScalerParams, Step, next_state, read_steps, real_steps
from tests.labs.one_lab import shown

Result = Callable[..., dict[str, Any]]
SCALE = "The scale must be positive."
FACTORS = "Backoff must be below 1 and growth above 1."
ONE_STEP = "Need at least one step."
TORCH = {"growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000}


def trace(found_inf: list[bool], init_scale: float = 65536.0, **rule: Any) -> list[Step]:
    """The rule from a scale that FP32 holds exactly, once a step."""
    scale, tracker, steps = init_scale, 0, []
    for bad in found_inf:
        scale, tracker = next_state(scale, tracker, bad, **rule)
        steps.append(Step(not bad, scale, tracker))
    return steps


def torch_trace(found_inf: list[bool], init_scale: float = 65536.0, **rule: Any) -> list[Step]:
    """The real scaler on gradients that are Inf where asked and small elsewhere."""
    scaler = torch.amp.GradScaler("cpu", init_scale=init_scale, **(TORCH | rule))
    gradients = [math.inf if bad else 0.0 for bad in found_inf]
    return real_steps(scaler, gradients, lambda _share: None)[0]


def test_traces_equal_torch_on_500_random_sequences() -> None:
    chance = random.Random(10)
    for _ in range(500):
        share = chance.choice([0.0, 0.1, 0.5, 0.9])
        found_inf = [chance.random() < share for _ in range(chance.randrange(1, 25))]
        scale = chance.choice([1.0, 1024.0, 65536.0, 12345.678, 2.0**100, 1e-40])
        settings = {
            "init_scale": torch.tensor(scale).item(),
            "growth_factor": chance.choice([2.0, 1.5, 1.1, 16.0]),
            "backoff_factor": chance.choice([0.5, 0.3, 0.9, 0.01]),
            "growth_interval": chance.randrange(1, 8),
        }
        assert trace(found_inf, **settings) == torch_trace(found_inf, **settings), settings


def test_a_long_sequence_equals_torch_too() -> None:
    chance = random.Random(0)
    found_inf = [chance.random() < 0.02 for _ in range(1500)]
    assert trace(found_inf, growth_interval=40) == torch_trace(found_inf, growth_interval=40)


@pytest.mark.parametrize(("backoff", "bad"), [(0.5, 7), (0.25, 3)])
def test_bad_steps_multiply_by_backoff(backoff: float, bad: int) -> None:
    assert trace([True] * bad, backoff_factor=backoff)[-1].scale == 65536 * backoff**bad


@pytest.mark.parametrize(("growth", "interval", "times"), [(2.0, 3, 4), (4.0, 1, 5)])
def test_good_steps_grow_after_every_interval(growth: float, interval: int, times: int) -> None:
    steps = trace([False] * (interval * times), growth_factor=growth, growth_interval=interval)
    assert steps[-1] == Step(applied=True, scale=65536 * growth**times, tracker=0)
    assert all(0 <= step.tracker < interval for step in steps)


def test_the_rules_edges() -> None:
    almost = trace([False] * 1999 + [True])
    assert almost[-2].tracker == 1999 and almost[-1] == Step(applied=False, scale=32768.0, tracker=0)
    zero = trace([True] * 166)
    assert zero[-1].scale == 0.0 and zero[-2].scale > 0
    assert [step.scale for step in trace([False] * 3, growth_interval=1)] == [131072, 262144, 524288]
    assert trace([False], 2.0**127, growth_interval=1) == [Step(True, 2.0**127, 0)]  # it never grows to Inf


def test_from_65536_to_1024_takes_six_skipped_steps() -> None:
    formula = Scaler().formula(ScalerParams())
    assert formula["skipped_steps"] == claims.down_and_back()["skipped"] == 6
    assert formula["last_scale"] == 1024 and not formula["expect_overflow"]
    assert Scaler().formula(ScalerParams(init_scale=2.0**30))["expect_overflow"]


def test_the_scaler_and_its_formula_agree(result: Result) -> None:
    scaler = result("scaler", overflows="20")
    assert scaler["equal"] and scaler["skipped_steps"] == 7 == scaler["formula"]["skipped_steps"]
    assert scaler["applied"][:7].tolist() == [0] * 6 + [1] and scaler["applied"][19] == 0
    assert scaler["last_scale"] == 512 and not scaler["weight_is_nan"]
    sentence = shown("q10/scaler", scaler).sentence
    assert sentence is not None and (sentence["formula"], sentence["measured"]) == (7, 7)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 600, "growth_interval": 20},
        {"init_scale": 1e6, "growth_factor": 1.5, "backoff_factor": 0.35},
        {"fits_exponent": 24, "growth_interval": 1, "steps": 30},
        {"init_scale": 2.0**60},
        {"steps": 170, "overflows": "1-170"},
    ],
)
def test_the_scaler_agrees_with_other_settings(result: Result, settings: dict[str, Any]) -> None:
    assert result("scaler", **settings)["equal"]


def test_a_scale_of_zero_spoils_the_weight_and_says_so(result: Result) -> None:
    spoilt = result("scaler", steps=170, overflows="1-166")
    assert spoilt["equal"] and spoilt["weight_is_nan"]
    assert spoilt["last_scale"] == 0 and spoilt["applied"][165:].tolist() == [0, 1, 1, 1, 1]
    assert "the weight becomes NaN" in shown("q10/scaler", spoilt).notes[-1]
    assert not result("scaler", steps=165, overflows="1-165")["weight_is_nan"]


def test_skipped_steps_are_marked_where_the_scale_fell(result: Result) -> None:
    scaler = result("scaler", overflows="20")
    line, applied, skipped = shown("q10/scaler", scaler).figures["scale"].data
    assert line["y"] == [65536, *scaler["formula"]["scale"].tolist()]
    assert skipped["x"] == [1, 2, 3, 4, 5, 6, 20] and skipped["meta"]["role"] == "said"
    assert sorted(applied["x"] + skipped["x"]) == list(range(1, 41))
    assert all(line["y"][step] == line["y"][step - 1] / 2 for step in skipped["x"])


def test_the_formula_is_drawn_before_any_run() -> None:
    drawn = shown("q10/scaler", Scaler().formula(ScalerParams()))  # type: ignore[arg-type]
    assert [trace["meta"]["role"] for figure in drawn.figures.values() for trace in figure.data] == [
        "formula",
        "formula",
    ]
    assert drawn.sentence is None


def test_steps_are_read_as_people_write_them() -> None:
    assert read_steps("") == frozenset() and read_steps(" 12, 3-5；7 – 8") == {3, 4, 5, 7, 8, 12}
    for wrong in ("x", "5-3", "0", "1-99999", "3,,-"):
        with pytest.raises(ParamError, match=r"Write overflowing steps as in 12, 30-35"):
            read_steps(wrong)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"init_scale": 0}, SCALE),
        ({"init_scale": -5}, SCALE),
        ({"backoff_factor": 1}, FACTORS),
        ({"backoff_factor": 1.2}, FACTORS),
        ({"growth_factor": 1}, FACTORS),
        ({"growth_factor": 0.5}, FACTORS),
        ({"growth_interval": 0}, ONE_STEP),
        ({"steps": 0}, ONE_STEP),
        ({"overflows": "many"}, "Write overflowing steps as in 12, 30-35; not 'many'."),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamError) as raised:
        ScalerParams.from_dict(settings)
    assert str(raised.value) == sentence
