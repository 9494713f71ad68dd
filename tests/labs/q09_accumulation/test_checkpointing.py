"""Layers computed again: equal bits, fewer bytes, and operations as torch's own counter has them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from labs.contract.fields import ParamError
from labs.q09_accumulation import checkpointing
from labs.q09_accumulation.checkpointing import WAYS, CheckpointingParams, time_ratio
from labs.q09_accumulation.recomputed import every_nth, in_groups
from labs.tools.budgets import PerDevice
from labs.tools.gradients import mean_loss, random_rows
from labs.tools.models import TINY, untrained
from tests.labs.one_lab import OneLab, shown

SHAPE = TINY.replace(num_layers=4)


@pytest.fixture(scope="module")
def seen(lab: OneLab) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpointing, "TIMED_SECONDS", PerDevice(cpu=0.1, cuda=0.1))
        patch.setattr("labs.tools.interleaved.CHUNK_SECONDS", {"cpu": 1e-3})
        return lab.result("checkpointing", rows=2, length=64)


@pytest.mark.parametrize("way", [("every", 0), ("every", 2), ("every", 1), ("groups", 2), ("groups", 4)])
def test_the_operations_are_those_that_torch_counts(way: tuple[str, int]) -> None:
    """But for attention, whose backward pass torch's kernel makes with another count; it is left out here."""
    model = untrained(SHAPE, "cpu")
    rows, layers = random_rows(model, 2, 8), list(model.model.layers)

    def counted(arranged: torch.nn.ModuleList) -> int:
        model.model.layers = arranged
        counter = FlopCounterMode(display=False)
        with counter:
            mean_loss(model, rows, None).backward()
        products = counter.get_flop_counts()["Global"]
        return sum(count for op, count in products.items() if "mm" in str(op) and "attention" not in str(op))

    kind, size = way
    arranged = every_nth(layers, size) if kind == "every" else in_groups(layers, size)
    ratio = counted(arranged) / counted(every_nth(layers, 0))
    assert ratio == pytest.approx(time_ratio(SHAPE, 0, kind, size), rel=1e-9)


def test_all_ways_give_the_same_bits_and_less_is_kept_by_more(seen: dict[str, Any]) -> None:
    ways = seen["ways"]
    assert list(ways) == list(WAYS) and seen["repeats_itself"]
    assert all(cost["equal_bits"] for cost in ways.values())
    peaks = {name: cost["megabytes"] for name, cost in ways.items()}
    assert peaks["none"] > peaks["fourth"] > peaks["second"] > peaks["all"]
    assert peaks["all"] < peaks["pairs"] < peaks["fours"]
    assert ways["none"]["memory_ratio"] == 1 and ways["none"]["time_ratio"]["median"] == 1
    assert peaks["all"] > seen["logits_megabytes"] == pytest.approx(4 * 2 * 64 * 1024 / 1e6)


def test_each_way_is_drawn_at_its_numbers(seen: dict[str, Any]) -> None:
    drawn = shown("q09/checkpointing", seen)
    assert drawn.figures["memory"].data[0]["x"] == [cost["megabytes"] for cost in seen["ways"].values()]
    said, formula, measured = drawn.figures["time"].data
    assert formula["x"] == [cost["formula_time_ratio"] for cost in seen["ways"].values()]
    assert measured["x"] == [cost["time_ratio"]["median"] for cost in seen["ways"].values()]
    assert said["x"] == [4 / 3] * 2 and drawn.sentence is not None
    assert drawn.sentence["measured"] == seen["ways"]["all"]["time_ratio"]["median"]
    other = {**seen, "ways": {**seen["ways"], "all": {**seen["ways"]["all"], "equal_bits": False}}}
    assert any("last bits" in note for note in shown("q09/checkpointing", other).notes)


def test_peaks_are_drawn_while_it_runs(lab: OneLab, seen: dict[str, Any]) -> None:
    partial = {**seen, "ways": {"none": {"megabytes": 5.0, "memory_ratio": 1.0, "equal_bits": True}}}
    assert list(shown("q09/checkpointing", partial).figures) == ["memory"]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ParamError):
        CheckpointingParams(rows=33)
