"""The machine card times what it says it times, and its formulas are the roofline's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labs.contract.machine import Machine
from labs.contract.registry import Registry, words_of
from labs.machine import card, probes
from labs.machine.card import Card, machine_of
from labs.runner.inline import InlineClient
from labs.tools.budgets import PerDevice
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind

SPEEDS = st.floats(1e6, 1e16)
COPIED = (2**16, 2**22)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """A card of this machine, with small probes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "COPIED", PerDevice(cpu=COPIED, cuda=COPIED))
        patch.setattr(probes, "MATRIX", PerDevice(cpu=256, cuda=256))
        patch.setattr(card, "SECONDS", PerDevice(cpu=0.2, cuda=0.2))
        job = InlineClient.start("cpu", model="nano-rope").submit("machine/card")
    assert job.state == "done" and job.result is not None, job.error
    return job.result


def test_every_number_has_its_spread(result: dict[str, Any]) -> None:
    assert list(result["copies"]) == [str(size) for size in COPIED]
    spreads = [
        *result["copies"].values(),
        *result["rate"].values(),
        result["launch"],
        *result["step"].values(),
    ]
    assert all(0 < spread["low"] <= spread["median"] <= spread["high"] for spread in spreads)
    assert list(result["step"]) == ["1", "16"] and not result["graph"]


def test_the_weights_are_those_that_a_step_reads(result: dict[str, Any]) -> None:
    model = MiniMind(PRESETS["nano-rope"])
    assert result["weight_bytes"] == 4 * sum(weight.numel() for weight in model.parameters())


def test_operations_are_counted_as_the_profiler_sees_them() -> None:
    """All but those that only rename memory or reserve it, which the profiler lists too."""
    step = probes.FullCacheStep(MiniMind(PRESETS["toy"]).eval(), 2, 8, "eager")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step.run()
    products = {event.key: event.count for event in profile.key_averages()}
    counted = probes.operations(step.run)
    assert products["aten::mm"] < counted < sum(products.values())
    layers = step.model.config.num_layers
    assert products["aten::mm"] in range(7 * layers, 7 * layers + 2)


def test_a_copy_and_a_product_are_what_they_are_called() -> None:
    for size, way in probes.copies("cpu").items():
        copied = way()
        assert isinstance(copied, torch.Tensor) and copied.nbytes == size and copied.min() > 0
        if size > 2**20:
            break
    way, flops = probes.product("cpu", "fp32")
    out = way()
    assert isinstance(out, torch.Tensor) and flops == 2 * len(out) ** 3 and out.std() > 1


def test_the_memory_is_what_the_largest_copy_says(result: dict[str, Any]) -> None:
    machine = machine_of(result)  # type: ignore[arg-type]
    assert machine.bandwidth == result["copies"][str(COPIED[-1])]["median"]
    assert machine.bytes_per_number == 4 and machine.launch < 1e-3


def test_the_sentence_sets_a_step_beside_its_floor(result: dict[str, Any]) -> None:
    shown = Card().show(result, words_of("machine", Registry.discover().strings("en")))  # type: ignore[arg-type]
    assert shown.sentence is not None
    assert shown.sentence["measured"] == pytest.approx(1e3 * result["step"]["1"]["median"])
    floor = 1e3 * result["weight_bytes"] / result["copies"][str(COPIED[-1])]["median"]
    assert shown.sentence["formula"] == pytest.approx(floor)


@given(SPEEDS, SPEEDS, st.sampled_from((2, 4)), st.floats(1e3, 1e12))
def test_at_the_knee_reading_and_multiplying_take_the_same_time(
    bandwidth: float, rate: float, width: int, weights: float
) -> None:
    machine = Machine("", bandwidth, rate, 1e-6, width)
    multiplying = 2 * weights * machine.knee_batch / rate
    assert multiplying == pytest.approx(machine.seconds_to_read(width * weights))


@given(SPEEDS, st.floats(1e-9, 1e-3), st.integers(1, 10_000))
def test_at_the_launch_bound_reading_and_launching_take_the_same_time(
    bandwidth: float, launch: float, operations: int
) -> None:
    machine = Machine("", bandwidth, 1e12, launch, 2)
    read = machine.seconds_to_read(machine.launch_bound_bytes(operations))
    assert read == pytest.approx(machine.seconds_to_launch(operations))
