"""The formula side of Question 10: the cliff, the scaler's rule beside torch's, windows, bytes, bad input."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from labs.contract.fields import ParamError
from labs.q10_grad_scaler import analytic, claims, scaling
from labs.q10_grad_scaler.analytic import scaler_trace
from labs.q10_grad_scaler.formats import FORMATS, KINDS, shares
from labs.q10_grad_scaler.gradients import counts, histogram, shares_of
from labs.q10_grad_scaler.params import DuelParams, OrdersParams, ScalerParams, WindowParams
from labs.q10_grad_scaler.passes import grid
from labs.q10_grad_scaler.steps_text import read_steps
from labs.q10_grad_scaler.words import number, percent

SCALE = "The scale must be positive."
FACTORS = "Backoff must be below 1 and growth above 1."
INTERVAL = "Need at least one step."


def test_the_cliff_is_where_the_question_says() -> None:
    assert analytic.last_safe_tokens() == claims.cliff()["last_safe"] == 5242
    assert analytic.last_safe_tokens(2**10) == 2**15 - 1  # 2^-25 itself rounds to zero, ties to even
    assert analytic.vanished(5242) == 0 and analytic.vanished(5243) == 6399 / 6400
    assert 100 * analytic.vanished(5242, analytic.FRESH_DEVIATION) == pytest.approx(58.9, abs=0.05)
    assert 100 * analytic.vanished(16384, analytic.FRESH_DEVIATION) == pytest.approx(99.7, abs=0.05)


def torch_trace(found_inf: list[bool], **settings: Any) -> list[dict[str, Any]]:
    """The real scaler on gradients that are Inf where asked and small elsewhere."""
    scaler = torch.amp.GradScaler(
        "cpu",
        init_scale=settings["init"],
        growth_factor=settings["growth"],
        backoff_factor=settings["backoff"],
        growth_interval=settings["interval"],
    )
    trace = scaling.traced(scaler, [math.inf if bad else 0.0 for bad in found_inf], lambda _step: None)
    return [{name: entry[name] for name in ("applied", "scale", "tracker")} for entry in trace]


def test_traces_equal_torch_on_500_random_sequences() -> None:
    chance = random.Random(10)
    for _ in range(500):
        share = chance.choice([0.0, 0.1, 0.5, 0.9])
        found_inf = [chance.random() < share for _ in range(chance.randrange(1, 25))]
        settings = {
            "init": chance.choice([1.0, 1024.0, 65536.0, 12345.678, 2.0**100, 1e-40]),
            "growth": chance.choice([2.0, 1.5, 1.1, 16.0]),
            "backoff": chance.choice([0.5, 0.3, 0.9, 0.01]),
            "interval": chance.randrange(1, 8),
        }
        assert scaler_trace(found_inf, **settings) == torch_trace(found_inf, **settings), settings


def test_a_long_sequence_equals_torch_too() -> None:
    chance = random.Random(0)
    found_inf = [chance.random() < 0.02 for _ in range(1500)]
    settings = {"init": 65536.0, "growth": 2.0, "backoff": 0.5, "interval": 40}
    assert scaler_trace(found_inf, **settings) == torch_trace(found_inf, **settings)


@pytest.mark.parametrize(("backoff", "bad"), [(0.5, 7), (0.25, 3)])
def test_bad_steps_multiply_by_backoff(backoff: float, bad: int) -> None:
    assert scaler_trace([True] * bad, backoff=backoff)[-1]["scale"] == 65536 * backoff**bad


@pytest.mark.parametrize(("growth", "interval", "times"), [(2.0, 3, 4), (4.0, 1, 5)])
def test_good_steps_grow_after_every_interval(growth: float, interval: int, times: int) -> None:
    trace = scaler_trace([False] * (interval * times), growth=growth, interval=interval)
    assert trace[-1] == {"applied": True, "scale": 65536 * growth**times, "tracker": 0}
    assert all(0 <= entry["tracker"] < interval for entry in trace)


def test_the_rules_edges() -> None:
    assert scaler_trace([]) == []
    almost = scaler_trace([False] * 1999 + [True])
    assert almost[-2]["tracker"] == 1999 and almost[-1] == {"applied": False, "scale": 32768.0, "tracker": 0}
    zero = scaler_trace([True] * 166)
    assert zero[-1]["scale"] == 0.0 and zero[-2]["scale"] > 0
    assert [entry["scale"] for entry in scaler_trace([False] * 3, interval=1)] == [131072, 262144, 524288]
    full = scaler_trace([False], init=2.0**127, interval=1)
    assert full[0]["scale"] == 2.0**127 and full[0]["tracker"] == 0  # it never grows to Inf


def test_from_65536_to_1024_takes_six_skipped_steps() -> None:
    result = analytic.scaler(ScalerParams())
    assert result["skipped_steps"] == claims.down_and_back()["skipped"] == 6
    assert result["last_scale"] == 1024 and not result["expect_overflow"]
    assert analytic.scaler(ScalerParams(init_scale=2.0**30))["expect_overflow"]


@pytest.mark.parametrize("shift", [-12, 0, 5, 18])
def test_a_moved_histogram_says_what_rounding_does(shift: int) -> None:
    """Its shares are those of the numbers really stored in FP16."""
    torch.manual_seed(shift)
    true = torch.exp2(torch.empty(20_000).uniform_(-40, 10)) * torch.randn(20_000).sign()
    moved = shares(*histogram(true), shift)
    stored = shares_of(counts((true * 2.0**shift).half()))
    assert moved == pytest.approx(stored, abs=2e-4)


def test_a_histogram_keeps_every_element() -> None:
    bins, zeros = histogram(torch.tensor([0.0, 1.0, -1.0, 1e-45, 1e38]))
    assert zeros == 1 and bins.sum() == 4
    assert shares(bins, zeros, 0, "fp32")["normal"] >= 0.5
    assert set(shares(bins * 0, 0, 0)) == set(KINDS) and FORMATS["fp16"].bits == 11


def test_states_and_casts_are_the_claims() -> None:
    expected = claims.states()
    assert sum(analytic.states().values()) == expected["states"] == 16 * 25_829_888
    assert analytic.casts() == expected["casts"] == 2 * 25_821_184


def test_every_grid_has_scale_one_at_the_default_tokens() -> None:
    for every in (4, 2, 1):
        exponents = grid(every)
        assert -WindowParams().tokens_exponent in exponents and exponents == sorted(exponents)
        assert {b - a for a, b in itertools.pairwise(exponents)} == {every}


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
        ({"growth_interval": 0}, INTERVAL),
        ({"steps": 0}, INTERVAL),
        ({"overflows": "many"}, "Write overflowing steps as in 12, 30-35; not 'many'."),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamError) as raised:
        ScalerParams.from_dict(settings)
    assert str(raised.value) == sentence


def test_other_bad_settings_are_refused() -> None:
    for params, settings in (
        (WindowParams, {"scale_exponent": 25}),
        (WindowParams, {"specimen": "none"}),
        (OrdersParams, {"accumulation": 9}),
        (OrdersParams, {"clip_norm": 0}),
        (DuelParams, {"steps": 10}),
    ):
        with pytest.raises(ParamError):
            params.from_dict(settings)


def test_numbers_are_written_for_reading() -> None:
    assert [percent(value) for value in (0, 0.0002, 34.567, 99.98, 100)] == [
        "0 %",
        "< 0.01 %",
        "34.6 %",
        "99.98 %",
        "100 %",
    ]
    assert number(36_690_942) == "36,690,942" and number(np.float32(0.5)) == "0.5"


def test_what_a_page_imports_needs_no_torch() -> None:
    parts = ("params", "analytic", "view", "live", "figures", "tables", "notes", "numbers")
    code = "import sys; " + "; ".join(f"import labs.q10_grad_scaler.{part}" for part in parts)
    done = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('torch' in sys.modules)"], check=False)
    assert done.returncode == 0
