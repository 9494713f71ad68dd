"""A watched run: spikes are undone, what is not finite is traced, and a calm run is as without a watch."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path

import pytest
import torch

from minimind_core.errors import NumericsError
from minimind_core.training.batches import Batch
from minimind_core.training.monitor import LossMonitor
from minimind_core.training.recovery import Event, Policy, Traced, WentBack, watched_steps
from tests.minimind_core.training.test_whole_steps import MATRIX, equal, everything, poison
from tests.minimind_core.training_run import SHORT, RandomBatches, fresh_trainer

CONFIG = dataclasses.replace(SHORT, steps=30)
EAGER = Policy(every=4, patience=2)


def test_a_calm_run_is_the_same_with_and_without_a_watch() -> None:
    watched, alone = fresh_trainer(CONFIG), fresh_trainer(CONFIG)
    events: list[Event] = []
    ours = [r.loss for r in watched_steps(watched, policy=EAGER, on_event=events.append)]
    assert ours == [r.loss for r in alone.steps()] and events == []
    assert equal(everything(watched), everything(alone))


def test_a_step_that_is_not_finite_is_traced_to_its_module() -> None:
    trainer = fresh_trainer(CONFIG)
    up = trainer.model.get_submodule("model.layers.1.mlp.up_proj")
    events: list[Event] = []
    broken = {7}

    def change(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output * math.inf if trainer.step in broken | {t + 1 for t in broken} else output

    up.register_forward_hook(change)
    # the trace runs after the step was counted, so that step 8 is poisoned with 7
    records = list(watched_steps(trainer, on_event=events.append))
    assert [type(event) for event in events] == [Traced, Traced]
    assert "Inf" in events[0].sentence() or "NaN" in events[0].sentence()
    assert "model.layers.1.mlp.up_proj" in events[0].sentence()
    assert records[-1].skipped == 2 and math.isfinite(records[-1].loss)


def test_a_step_that_is_clean_when_repeated_says_so() -> None:
    trainer, events = fresh_trainer(CONFIG), list[Event]()
    poison(trainer, MATRIX, [0.0] * 4 + [math.nan] + [0.0] * 80)
    list(watched_steps(trainer, until=6, on_event=events.append))
    [event] = events
    assert isinstance(event, Traced) and event.by_rank == (None,)
    assert event.sentence().startswith("Step 2: ") and "run again" in event.sentence()


class Spiked:
    """Random batches, one of which the trainer's monitor shall find dreadful."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def batch(self, step: int) -> Batch:
        self.asked.append(step)
        return RandomBatches().batch(step)


class Scripted(LossMonitor):
    """Alarm at the losses of these numbers."""

    def __init__(self, *alarms: int) -> None:
        super().__init__()
        self.alarms, self.heard = alarms, 0

    def hear(self, loss: float) -> str | None:  # type: ignore[override]
        self.heard += 1
        return "spike" if self.heard in self.alarms else super().hear(loss)


def test_after_a_spike_state_rate_and_data_are_as_said() -> None:
    """Back at step 4 the weights and moments are those of a twin that was stopped there."""
    trainer, twin, events = fresh_trainer(CONFIG), fresh_trainer(CONFIG), list[Event]()
    trainer.source = Spiked()
    list(twin.steps(until=4))
    steps = watched_steps(trainer, policy=EAGER, monitor=Scripted(10), on_event=events.append)
    before = [next(steps) for _ in range(9)]
    record = next(steps)
    [event] = events
    assert event == WentBack(9, "spike", event.loss, 4, 0.5)
    assert record.step == 4 and record.learning_rate == pytest.approx(before[4].learning_rate / 2)
    assert trainer.source.asked[-1] == 4 + 6, "the batches 4 to 9 are left out"
    # the same step from the same state, by hand
    twin.rate_factor, twin.batch_offset = 0.5, 6
    assert next(twin.steps()).loss == record.loss
    assert equal(everything(twin), everything(trainer))


def test_returns_are_limited() -> None:
    trainer, events = fresh_trainer(CONFIG), list[Event]()
    steps = watched_steps(
        trainer, policy=Policy(every=2, retries=2), monitor=Scripted(5, 8, 11), on_event=events.append
    )
    with pytest.raises(NumericsError, match="2 returns to an earlier state have not helped"):
        list(steps)
    assert [event.learning_rate_factor for event in events] == [0.5, 0.25]


def test_a_row_of_skipped_updates_goes_back_too() -> None:
    trainer = fresh_trainer(CONFIG)
    stop = poison(trainer, MATRIX, [0.0] * 8 + [math.nan] * 80)
    returns: list[WentBack] = []

    def hear(event: Event) -> None:
        if isinstance(event, WentBack):
            returns.append(event)
            stop()

    records = list(watched_steps(trainer, policy=EAGER, on_event=hear))
    assert [(event.alarm, event.to_step) for event in returns] == [("nonfinite", 0)]
    assert records[-1].step == CONFIG.steps - 1 and records[-1].skipped == 0


def test_what_a_return_changed_survives_a_resume(tmp_path: Path) -> None:
    trainer = fresh_trainer(CONFIG)
    list(watched_steps(trainer, until=8, policy=EAGER, monitor=Scripted(6)))
    assert (trainer.rate_factor, trainer.batch_offset) == (0.5, 6)
    trainer.save(tmp_path / "state.pt")
    resumed = fresh_trainer(CONFIG)
    resumed.load(tmp_path / "state.pt")
    assert next(resumed.steps()).loss == next(trainer.steps()).loss
    assert resumed.batch_offset == 6


# --- the monitor alone ---


def noise(count: int, level: float = 2.0) -> list[float]:
    source = random.Random(1)
    return [source.gauss(level, 0.1) for _ in range(count)]


def test_a_plateau_is_silent_and_a_spike_is_heard_once() -> None:
    heard = LossMonitor()
    alarms = [heard.hear(loss) for loss in [*noise(3000), 20.0, *noise(300)]]
    assert [step for step, alarm in enumerate(alarms) if alarm] == [3000]
    assert alarms[3000] == "spike"


def test_nan_is_heard_at_every_step_and_moves_no_measure() -> None:
    heard = LossMonitor()
    for loss in noise(50):
        heard.hear(loss)
    height = heard.height(3.0)
    assert [heard.hear(loss) for loss in (math.nan, math.inf, -math.inf)] == ["nonfinite"] * 3
    assert heard.height(3.0) == height


def test_a_falling_loss_and_a_flat_line_are_no_alarm() -> None:
    falling = LossMonitor()
    assert not any(falling.hear(10 * 0.99**step + loss) for step, loss in enumerate(noise(500)))
    flat = LossMonitor()
    assert not any(flat.hear(2.0) for _ in range(500)) and flat.hear(2.1) == "spike"
