"""The shifted model: what changes with the type of the angles, and what is drawn while it is measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from labs.contract import Shown
from labs.q07_rope.rotations import twin
from labs.q07_rope.shift import ANGLES, OFFSETS, Shift, ShiftParams
from labs.runner.job import Job
from minimind_core.model.config import PRESETS, RopeScaling
from minimind_core.model.minimind import MiniMind

NAMES = {"fp64": "fp64 angles", "fp32": "fp32 angles", "bf16": "bf16 angles"}
Show = Callable[[str, Any], Shown]


def test_a_shift_is_rounding_unless_angles_are_bf16(result_of: Callable[[str], dict[str, Any]]) -> None:
    result = result_of("shift")
    difference, perplexity = result["difference"], result["perplexity"]
    assert max(difference["fp64"].values()) < 1e-3
    assert difference["fp32"]["100"] < 1e-2 < difference["fp32"]["1000000"]
    assert difference["bf16"]["1"] > 10 * difference["fp32"]["1"]
    assert difference["bf16"]["10000"] > result["logit_std"]
    assert result["offsets"] == list(OFFSETS)
    for offset in map(str, OFFSETS):
        assert perplexity["fp64"][offset] == pytest.approx(perplexity["fp64"]["0"], rel=1e-4)
    assert perplexity["bf16"]["10000"] > 1.5 * perplexity["bf16"]["0"]
    assert result["tokens"] == 64 and result["sharpen"] == 1 and result["model"] == "minimind-26m"


def test_a_twin_shares_its_weights_and_leaves_the_model_alone() -> None:
    torch.manual_seed(0)
    model, ids = MiniMind(PRESETS["byte-128"]).eval(), torch.randint(0, 256, (1, 40))
    with torch.inference_mode():
        before = model(ids)
        assert torch.equal(twin(model)(ids), before)
        assert torch.equal(twin(model, scaling=RopeScaling("yarn", 1.0))(ids), before)
        assert not torch.allclose(twin(model, scaling=RopeScaling("pi", 4.0))(ids), before)
        torch.testing.assert_close(twin(model, angles="fp32")(ids), before)
        torch.testing.assert_close(twin(model, angles="fp64")(ids), before, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(twin(model, angles="bf16")(ids), before)
        assert not torch.allclose(twin(model, sharpen=4.0)(ids), before)
        assert torch.equal(model(ids), before)
    own = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    assert own == {name: tensor.data_ptr() for name, tensor in twin(model).state_dict().items()}


def test_every_number_stands_at_its_type_and_offset(
    result_of: Callable[[str], dict[str, Any]], show: Show
) -> None:
    result = result_of("shift")
    shown = show("shift", result)
    assert shown.numbers == {
        NAMES[angles]: result["difference"][angles]["1000000"] for angles in ("fp64", "fp32", "bf16")
    }
    assert [row["shift"] for row in shown.rows] == list(OFFSETS)
    for row in shown.rows:
        for angles in ANGLES:
            changes = result["difference"][angles], result["perplexity"][angles]
            assert row[f"{NAMES[angles]}: Largest change of a logit"] == changes[0][str(row["shift"])]
            assert row[f"{NAMES[angles]}: Perplexity"] == changes[1][str(row["shift"])]
    for name in ("difference", "perplexity"):
        lines = [trace for trace in shown.figures[name].data if trace["meta"]["role"] == "measured"]
        assert [line["y"] for line in lines] == [
            [result[name][angles][str(offset)] for offset in line["x"]]
            for angles, line in zip(ANGLES, lines, strict=True)
        ]
        ends = [note["text"] for note in shown.figures[name].layout["annotations"]]
        assert ends == [NAMES[angles] for angles in ANGLES]
    (spread,) = (trace for trace in shown.figures["difference"].data if trace["meta"]["role"] == "peer")
    assert spread["y"] == [result["logit_std"]] * 2


def test_a_run_is_drawn_while_it_goes_on(job_of: Callable[[str], Job], show: Show) -> None:
    job, experiment = job_of("shift"), Shift()
    assert len(job.partials) == len(ANGLES) * (1 + len(OFFSETS)) and job.result is not None
    for count in range(1, len(job.partials) + 1):
        so_far = experiment.so_far(ShiftParams(), job.partials[:count])
        shown = show("shift", so_far)
        points = [
            x
            for trace in shown.figures["perplexity"].data
            for x in trace["x"]
            if trace["meta"]["role"] == "measured"
        ]
        assert len(points) == count - len({partial["angles"] for partial in job.partials[:count]})
        assert not shown.rows and not shown.notes
    assert so_far["perplexity"] == job.result["perplexity"]
    assert so_far["difference"] == job.result["difference"]
