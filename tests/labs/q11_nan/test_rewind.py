"""A spike and its replays: against plain trainers, by a planted batch and a planted state, and as drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from labs.q11_nan.rewind import AFTER, ARMS, EVERY, RewindParams, heights_percent, plan
from labs.q11_nan.spiky_run import SpikyRun
from labs.tools.heldout import Stretches
from labs.tools.models import TINY, untrained
from minimind_core.training.monitor import LossMonitor
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig
from tests.labs.one_lab import OneLab, Run

TRAINING = TrainingConfig(40, 4, 16, learning_rate=3e-3, warmup_steps=2, schedule="constant")
SPIKES = {"seeds": 1, "rows": 1}
"""Settings at which the loss spikes soon."""
ROWS = torch.randint(3, 40, (160, 17), generator=torch.Generator().manual_seed(0))
"""Of forty ids alone, so that the loss falls."""


class Deaf(LossMonitor):
    """Calls the loss of one update a spike, whatever it is."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    def hear(self, loss: float) -> Any:
        self.left -= 1
        return "spike" if self.left == 0 else None


def spiky(rows: torch.Tensor = ROWS) -> SpikyRun:
    return SpikyRun(untrained(TINY, "cpu"), rows, TRAINING, every=5, most=4)


def plain(rows: torch.Tensor, updates: int) -> Trainer:
    trainer = Trainer(untrained(TINY, "cpu"), Stretches(rows, 4), TRAINING)
    list(trainer.steps(until=updates))
    return trainer


def losses(trainer: Trainer) -> list[float]:
    return [record.loss for record in trainer.records]


def test_a_replay_is_what_a_trainer_does_from_that_state() -> None:
    """The first time, again, with later batches, and with the same ones from an earlier state."""
    run = spiky()
    first = list(run.first(40, Deaf(18)))
    assert [loss for loss, _ in first] == losses(plain(ROWS, 18)) and [bad for _, bad in first][-2:] == [0, 1]
    again = [loss for loss, _ in run.replay(10, 0, 8)]
    assert again == [loss for loss, _ in first[10:]]
    for start, skip in ((10, 12), (5, 5)):
        twin = plain(ROWS, start)
        twin.batch_offset = skip
        list(twin.steps(until=start + 6))
        assert [loss for loss, _ in run.replay(start, skip, 6)] == losses(twin)[start:]


def test_only_the_last_states_are_kept() -> None:
    run = spiky()
    list(run.first(40, Deaf(0)))
    assert list(run.kept) == [20, 25, 30, 35]


def replayed(run: SpikyRun, start: int, skip: int, updates: int) -> Any:
    return {
        "start": start,
        "losses": np.array([loss for loss, _ in run.replay(start, skip, updates)], np.float32),
    }


def test_a_broken_batch_comes_back_from_every_state_and_is_left_out_by_later_ones() -> None:
    """Where the data are to blame the experiment says so."""
    rows = ROWS.clone()
    rows[4 * 30 : 4 * 31] = torch.randint(200, 290, (4, 17), generator=torch.Generator().manual_seed(1))
    run = spiky(rows)
    first = list(run.first(40, Deaf(31)))
    replays = {
        "same": replayed(run, 25, 0, 8),
        "later": replayed(run, 25, 8, 8),
        "earlier": replayed(run, 20, 5, 8),
    }
    one: Any = {"losses": np.array([loss for loss, _ in first], np.float32), "spike": 30, "replays": replays}
    assert heights_percent([one], "same") == [100]
    assert heights_percent([one], "earlier")[0] > 80 and abs(heights_percent([one], "later")[0]) < 20


def test_a_height_is_measured_from_the_losses_before() -> None:
    """One training by hand: the spike is 4 high, its replay from an earlier state 1."""
    spike = np.array([9, 9, 2, 2, 2, 6], np.float32)
    again = np.array([3, 3, 3, 4, 3], np.float32)
    one: Any = {
        "losses": spike,
        "spike": 5,
        "replays": {"same": {"start": 2, "losses": spike[2:]}, "earlier": {"start": 0, "losses": again}},
    }
    calm: Any = {"losses": spike[:4], "spike": -1, "replays": {}}
    assert heights_percent([one, calm], "earlier") == [25] and heights_percent([one], "same") == [100]
    assert heights_percent([one], "later") == []


def test_a_plan_goes_back_far_enough_and_reads_what_it_says() -> None:
    for spike in range(25, 300, 7):
        for back in (10, 20, 50):
            arms = plan(RewindParams(back=back, earlier=20), spike)
            start, skip, updates = arms["same"]
            assert skip == 0 and start % EVERY == 0 and start <= max(spike - back, 0)
            assert start + updates == spike + AFTER + 1
            assert arms["later"] == (start, updates, updates), "from the batch after the last one of the same"
            if "earlier" in arms:
                before, skip, length = arms["earlier"]
                assert before < start and before + skip == start and length == updates
            else:
                assert start == 0


def test_a_run_keeps_its_word(lab: OneLab, result: Run) -> None:
    """The same batches from the same state give the same losses, and with them all of the spike."""
    told = result("rewind", **SPIKES)
    [one] = told["trainings"]
    assert told["complete"] and one["spike"] >= 0, "choose settings that spike"
    same = one["replays"]["same"]
    repeated = same["losses"][: len(one["losses"]) - same["start"]]
    np.testing.assert_array_equal(repeated, one["losses"][same["start"] :])
    assert told["height_percent"]["same"] == 100
    shown = lab.show("rewind", told)
    assert any("bit for bit" in note for note in shown.notes) and len(shown.rows) == 1
    assert shown.sentence is not None and shown.sentence["measured"] == told["height_percent"]["earlier"]
    first, *replays = shown.figures["curves"].data
    assert [trace["x"][0] for trace in replays] == [same["start"]] * len(replays) and len(replays) == 3
    assert first["x"][-1] == one["spike"]
    bars, *_ = shown.figures["heights"].data
    assert bars["x"] == list(told["height_percent"].values())


def test_without_a_spike_that_is_said(lab: OneLab, result: Run) -> None:
    quiet: Any = {
        **result("rewind", **SPIKES),
        "trainings": [{"losses": np.ones(30, np.float32), "spike": -1, "replays": {}}],
        "spikes": 0,
        "percents": {arm: [] for arm in ARMS},
        "height_percent": dict.fromkeys(ARMS),
    }
    shown = lab.show("rewind", quiet)
    assert shown.sentence is None and shown.notes[0].startswith("None of 1 training spiked")
    assert shown.rows[0]["first spike at step"] == "–"
