"""Gradient norms of a training: torch's own norms, percentiles by counting, and who hears the odd batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labs.q11_nan.norms import THRESHOLDS, Norms, NormsParams, odd_step, running_median
from labs.tools import heldout
from labs.tools.models import untrained
from minimind_core.files.checkpoint import load_model
from tests.labs.one_lab import OneLab, Run

SHORT = {"steps": 60}


def test_the_first_norms_are_those_of_autograd(result: Run) -> None:
    """Before any update has made a difference, and with the batch that the experiment says it has read."""
    told = result("norms", **SHORT)
    loaded = load_model("nano-rope")
    rows = heldout.windows(loaded.tokenizer, heldout.training()[:4], 8 * 60, 64, 0)[:8]
    model = untrained(loaded.config, "cpu", 0)
    logits = model(rows[:, :-1]).flatten(0, 1)
    torch.nn.functional.cross_entropy(logits, rows[:, 1:].flatten()).backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm()  # type: ignore[union-attr]
    assert told["norms"][0] == pytest.approx(float(norm), rel=1e-5)


def test_a_threshold_is_looked_at_without_another_run_and_counted_as_by_hand(result: Run) -> None:
    shares = []
    for threshold in THRESHOLDS:
        told = result("norms", {"threshold": threshold}, **SHORT)
        view = told["view"]
        assert view["above"] == sum(float(norm) > threshold for norm in told["norms"])
        shares.append(view["above_percent"])
        ordered = sorted(map(float, told["norms"]))
        assert ordered[29] <= view["percentiles"]["p50"] <= ordered[30]
        assert view["percentiles"]["largest"] == ordered[-1]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1] == 0


def test_before_unscaling_every_norm_is_above_a_hundred(lab: OneLab, result: Run) -> None:
    true, scaled = (result("norms", {"scaled": scaled}, **SHORT) for scaled in (False, True))
    assert true["view"]["above"] == 0 and scaled["view"]["above_percent"] == 100
    for name, size in true["view"]["percentiles"].items():
        assert scaled["view"]["percentiles"][name] == pytest.approx(65536 * size)
    shown = lab.show("norms", scaled)
    assert shown.sentence is not None and shown.sentence["formula"] == 100 / 65536
    assert shown.sentence["measured"] == lab.show("norms", true).sentence["measured"]  # type: ignore[index]
    assert any("60 of 60 are above 100" in note for note in shown.notes)


@pytest.mark.parametrize("odd", ["random", "repeated"])
def test_the_odd_batch_is_told_and_who_heard_it(lab: OneLab, result: Run, odd: str) -> None:
    told = result("norms", odd=odd, **SHORT)
    assert told["odd_step"] == odd_step(NormsParams(odd=odd, **SHORT)) == 40
    ratio = told["norms"][40] / np.median(told["norms"][:40])
    assert ratio > 1.5
    [note] = (note for note in lab.show("norms", told).notes if note.startswith("The batch of step 40"))
    loud = told["norms"][40] > 100
    assert f"{ratio:.2f} times" in note and f"the threshold {'fired' if loud else 'did not fire'}" in note
    assert not loud or odd == "repeated", "random tokens stay below what is called large"
    assert f"MAD {'fired' if 40 in told['heard'] else 'did not fire'}." in note


def test_without_an_odd_batch_nothing_is_said_of_one(lab: OneLab, result: Run) -> None:
    told = result("norms", odd="none", **SHORT)
    assert told["odd_step"] == -1
    assert not any("The batch of step" in note for note in lab.show("norms", told).notes)
    assert not any(
        trace["meta"]["role"] == "removed" for trace in lab.show("norms", told).figures["norms"].data
    )


def test_a_running_median_knows_only_what_came_before() -> None:
    norms = np.array([5.0, 1.0, 3.0, 9.0], np.float32)
    assert np.isnan(running_median(norms)[0]) and running_median(norms)[1:].tolist() == [5, 3, 3]


def test_the_norms_are_drawn_while_it_runs(lab: OneLab) -> None:
    job = lab.done("norms", **SHORT)
    experiment, lengths = Norms(), []
    for count in (0, 1, 20, len(job.partials)):
        so_far = experiment.complete(job.params, experiment.so_far(job.params, job.partials[:count]))
        lengths.append(len(lab.show("norms", so_far).figures["norms"].data[0]["x"]))
    assert lengths == [0, 1, 20, 60]
