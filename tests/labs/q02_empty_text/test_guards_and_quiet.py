"""Seven losses on one board, and the variant that no NaN gives away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.q02_empty_text.quiet import _is_empty
from tests.labs.one_lab import Run

Result = Callable[..., dict[str, Any]]


def test_each_loss_leaves_what_counting_says(result: Result) -> None:
    guards = result("guards")
    assert guards["poisoned"] == guards["counted"] == {"one_empty": 1, "all_empty": 2}
    everything = guards["outcomes"]["all_empty"]
    assert {name for name, seen in everything.items() if seen["loss"] == 0} == {
        "clamped",
        "epsilon",
        "disconnected_zero",
    }
    assert {name for name, seen in everything.items() if "none" in seen["gradients"]} == {"disconnected_zero"}
    assert everything["disconnected_zero"]["move"] == 0 < everything["clamped"]["move"]
    one = guards["outcomes"]["one_empty"]
    losses = {round(seen["loss"], 5) for name, seen in one.items() if name != "per_sample"}
    assert len(losses) == 1 and one["per_sample"]["loss"] is None


def test_an_ordinary_micro_batch_first_leaves_every_tensor_a_gradient(result: Result) -> None:
    outcomes = result("guards", accumulation=2)["outcomes"]["all_empty"]
    assert all("none" not in seen["gradients"] for seen in outcomes.values())
    assert "nan" in outcomes["masked_mean"]["gradients"], "what was good before it is spoilt as well"
    assert outcomes["step_count"]["loss"] == 0, "with one count for the step the empty one adds nothing"


def test_empty_rows_teach_the_model_to_stop_and_no_loss_is_nan(run: Run) -> None:
    job = run("quiet", steps=20, empty_percent=60)
    assert job.result is not None and job.result["nan_losses"] == 0
    assert len(job.partials) == 20
    assert job.result["stop_percent"]["empty"] > 2 * job.result["stop_percent"]["clean"]


@pytest.mark.parametrize("percent", [0, 7, 30, 90])
def test_the_empty_rows_are_just_so_many(percent: int) -> None:
    assert sum(_is_empty(index, percent) for index in range(1000)) == 10 * percent
