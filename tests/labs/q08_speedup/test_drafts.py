"""Shapes of drafts: what they have in common with the target, what a step costs, and what that leaves."""

from __future__ import annotations

from typing import Any

import pytest

from labs.q08_speedup import claims, drafts
from labs.q08_speedup.draft_rules import speedup
from labs.q08_speedup.drafts import SHAPES, TARGET
from labs.tools.budgets import PerDevice
from minimind_core.model.cost import num_parameters
from tests.labs.one_lab import Run, Show

QUICK = PerDevice(cpu=0.1, cuda=0.1)


def looked_at(run: Run, acceptance: float = 0.65) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts, "SECONDS", QUICK)
        return run("drafts", {"acceptance": acceptance}, cached=64)


def test_two_shapes_have_as_many_weights_and_six_times_the_layers() -> None:
    wide, narrow = SHAPES["wide_1"], SHAPES["narrow_6"]
    assert num_parameters(wide) == pytest.approx(num_parameters(narrow), rel=0.01)
    assert narrow.num_layers == 6 * wide.num_layers
    assert all(shape.vocab_size == TARGET.vocab_size for shape in SHAPES.values())
    assert claims.drafts()["narrow"] == num_parameters(narrow)


def test_a_draft_costs_less_than_the_target_and_layers_cost_more_than_width(run: Run) -> None:
    costs = looked_at(run)["costs"]
    assert all(0 < cost["low"] <= cost["median"] <= cost["high"] for cost in costs.values())
    assert costs["wide_1"]["median"] < costs["wide_2"]["median"] < 1
    assert costs["wide_1"]["median"] < costs["narrow_6"]["median"]
    assert costs["narrow_6"]["layers"] == 0.75 and costs["wide_1"]["layers"] == 0.125


def test_the_speedup_is_yield_over_cost_at_the_acceptance_that_is_set(run: Run, show: Show) -> None:
    result = looked_at(run)
    view, more = result["view"], (result["verify_ratio"] - 1) / 5
    for name, gains in view["speedup"].items():
        cost = result["costs"][name]["median"]
        assert gains == [speedup(0.65, k, cost, 1 + more * k) for k in range(1, 17)]
        assert gains[view["best"][name] - 1] == max(gains)
    shown = show("drafts", result)
    assert shown.sentence is not None and shown.sentence["formula"] == 0.75
    assert [trace["meta"]["role"] for trace in shown.figures["cost"].data] == ["measured", "said", "formula"]
    assert len(shown.rows) == len(SHAPES)


def test_without_acceptance_nothing_pays(run: Run, show: Show) -> None:
    result = looked_at(run, 0.0)
    assert max(max(gains) for gains in result["view"]["speedup"].values()) < 1
    assert "no shape pays" in " ".join(show("drafts", result).notes)
