"""Orders of the calls of an optimizer step: which hand over the right gradient, what a power of two costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from labs.contract.fields import ParamError
from labs.q10_grad_scaler.optimizer_calls import ORDERS, scaling_is_exact
from labs.q10_grad_scaler.orders import Orders, OrdersParams
from minimind_core.files.checkpoint import load_model
from tests.labs.one_lab import Run, shown

Result = Callable[..., dict[str, Any]]


def test_only_the_right_order_hands_over_the_right_gradient(result: Result) -> None:
    step, unclipped = result("orders", accumulation=2), result("orders", accumulation=2, clip_norm=100)
    orders = step["orders"]
    assert list(orders) == [order.__name__ for order in ORDERS] and step["scaling_is_exact"]
    assert orders["correct"]["relative_error"] < 0.02
    assert step["clipped_norm"] == pytest.approx(1, rel=1e-4) and unclipped["clipped_norm"] > 2
    assert orders["correct"]["norm"] == pytest.approx(step["clipped_norm"], rel=0.01)
    assert orders["clip_first"]["norm"] == pytest.approx(1 / 65536, rel=0.01)
    assert orders["no_unscale"]["norm"] == pytest.approx(65536 * unclipped["clipped_norm"], rel=0.01)
    assert orders["update_each"]["relative_error"] > 0.1
    assert orders["unscale_each"]["norm"] is None
    assert orders["unscale_each"]["error"].startswith("RuntimeError: unscale_() has already been called")
    assert orders["fp16_parameters"]["error"] == "ValueError: Attempting to unscale FP16 gradients."


def test_without_accumulation_unscaling_each_is_right(result: Result) -> None:
    orders = result("orders", accumulation=1)["orders"]
    for name in ("correct", "unscale_each", "update_each"):
        assert orders[name]["relative_error"] < 0.02, name


def test_a_power_of_two_costs_no_bit_and_another_factor_does() -> None:
    model, rows = load_model("nano-rope").model, torch.arange(3, 40)[None]
    assert scaling_is_exact(model, rows, 2.0**16)
    assert not scaling_is_exact(model, rows, 1000.0)


def test_the_orders_are_drawn_as_they_are_done(run: Run) -> None:
    job = run("orders", accumulation=2)
    assert [len(piece["orders"]) for piece in job.partials] == list(range(1, len(ORDERS) + 1))
    assert isinstance(job.params, OrdersParams)
    for done in (1, 4, 6):
        so_far = Orders().so_far(job.params, job.partials[:done])
        marks = [len(trace["y"]) for trace in shown("q10/orders", dict(so_far)).figures["handed"].data[:-1]]
        assert sum(marks) == done


def test_each_norm_stands_at_its_order(result: Result) -> None:
    step = result("orders", accumulation=2)
    ran, stopped, right = shown("q10/orders", step).figures["handed"].data
    assert dict(zip(ran["y"], ran["x"], strict=True)) == {
        "correct": step["orders"]["correct"]["norm"],
        "clip before unscale": step["orders"]["clip_first"]["norm"],
        "no unscale": step["orders"]["no_unscale"]["norm"],
        "unscale and update each": step["orders"]["update_each"]["norm"],
    }
    assert stopped["y"] == ["unscale each micro-batch", "FP16 parameters"]
    assert set(right["x"]) == {step["clipped_norm"]}


@pytest.mark.parametrize("settings", [{"accumulation": 9}, {"clip_norm": 0}])
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ParamError):
        OrdersParams.from_dict(settings)
