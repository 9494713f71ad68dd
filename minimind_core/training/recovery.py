"""Training under watch: what was not finite is traced to its module and process, a spike is undone.

An update whose gradient is not finite was skipped whole, so the same step can be run again: that names the
first module, and the processes in which it happened *before* their gradients were summed (afterwards all
have it). Where the repetition is clean, the hardware or an order of summation is to blame.

After a spike, or after a row of skipped updates, the run goes back to an earlier state with everything that
the optimizers remembered, leaves out the batches in between (Chowdhery et al. 2022, PaLM) and goes on at a
lower learning rate: from the same state with the same data and the same rate the same would happen again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from minimind_core.errors import NumericsError
from minimind_core.training.batches import Batch
from minimind_core.training.monitor import Alarm, LossMonitor
from minimind_core.training.nonfinite import Seen, TensorWatch
from minimind_core.training.trainer import StepRecord, Trainer


@dataclass(frozen=True)
class Traced:
    """A step whose gradient was not finite, run again."""

    step: int
    by_rank: tuple[Seen | None, ...]
    """The first tensor of each process that was not finite, before any sum over processes."""

    def sentence(self) -> str:
        """One line for a log."""
        wrong = [(rank, seen) for rank, seen in enumerate(self.by_rank) if seen is not None]
        if not wrong:
            return (
                f"Step {self.step}: the gradient was not finite, but the same step is when run again; "
                "compare its bits on another device."
            )
        _, seen = wrong[0]
        where = f" in process {', '.join(str(rank) for rank, _ in wrong)}" if len(self.by_rank) > 1 else ""
        return f"Step {self.step}: first {seen.sentence()}{where}; the update was skipped."


@dataclass(frozen=True)
class WentBack:
    """A return to an earlier state."""

    step: int
    """The one with the alarm."""
    alarm: Alarm
    loss: float
    to_step: int
    learning_rate_factor: float

    def sentence(self) -> str:
        """One line for a log."""
        why = f"the loss rose to {self.loss:.4g}" if self.alarm == "spike" else "no gradient was finite"
        return (
            f"Step {self.step}: {why}; back to step {self.to_step} with the optimizer's state, the batches "
            f"in between left out, at {self.learning_rate_factor:g} × the learning rate."
        )


Event = Traced | WentBack


@dataclass(frozen=True)
class Policy:
    """When to go back, how far, and how often."""

    retries: int = 3
    """Returns in a run; one more alarm ends it with NumericsError."""
    rate: float = 0.5
    """Factor on the learning rate at each return."""
    every: int = 50
    """Steps between kept states. The older one of two is gone back to: the younger may be spoilt already."""
    patience: int = 5
    """Updates skipped in a row after which the run goes back."""


def watched_steps(
    trainer: Trainer,
    until: int | None = None,
    *,
    policy: Policy = Policy(),
    monitor: LossMonitor | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Iterator[StepRecord]:
    """As `Trainer.steps`, one record an update, with the watch above; steps that were undone come again.

    Raises NumericsError where an alarm comes after all retries.
    """
    monitor, last = monitor or LossMonitor(), trainer.config.steps
    last = last if until is None else min(until, last)
    kept, returns, skipped_in_a_row = [_kept(trainer)], 0, 0
    while trainer.step < last:
        record = next(trainer.steps(until=trainer.step + 1))
        alarm: Alarm | None = monitor.hear(record.loss)
        if not math.isfinite(record.grad_norm):
            on_event(trace(trainer, record))
        skipped_in_a_row = 0 if math.isfinite(record.grad_norm) else skipped_in_a_row + 1
        if alarm == "spike" or skipped_in_a_row >= policy.patience:
            alarm = alarm if alarm == "spike" else "nonfinite"
            if returns == policy.retries:
                raise NumericsError(
                    f"Step {record.step}: {returns} returns to an earlier state have not helped; look at the "
                    "data there, or lower the learning rate."
                )
            on_event(_go_back(trainer, kept[0], policy, alarm, record))
            kept, returns, skipped_in_a_row = [_kept(trainer)], returns + 1, 0
            monitor.forget()
            continue
        yield record
        if trainer.step % policy.every == 0 and not skipped_in_a_row:
            kept = [*kept[-1:], _kept(trainer)]


def trace(trainer: Trainer, record: StepRecord) -> Traced:
    """Run the update of a record that was skipped again, and ask every process for its first bad tensor.

    The trainer has to stand right after that update.
    """
    batch = trainer.source.batch(record.step + trainer.batch_offset)
    seen = first_in_step(trainer, batch, record.loss_scale)
    return Traced(record.step, tuple(trainer.processes.gather(seen)))


def first_in_step(trainer: Trainer, batch: Batch, loss_scale: float = 1.0) -> Seen | None:
    """The first tensor of an update that is not finite in this process. Changes nothing of the run."""
    num_targets = max(batch.num_targets, 1)
    for micro in trainer.own_micro_batches(batch):
        with TensorWatch(trainer.model) as watch:
            share = trainer.share(micro, num_targets, compiled=False)  # whose hooks run
            watch.note("forward", "loss", "output", share)
            torch.autograd.grad(share * loss_scale, trainer.parameters, allow_unused=True)
        if (first := watch.first_nonfinite()) is not None:
            return first
    return None


def _kept(trainer: Trainer) -> dict[str, Any]:
    return copy.deepcopy(trainer.state())


def _go_back(
    trainer: Trainer, kept: dict[str, Any], policy: Policy, alarm: Alarm, record: StepRecord
) -> WentBack:
    factor = trainer.rate_factor * policy.rate
    offset = trainer.batch_offset + trainer.step - kept["step"]
    trainer.restore(kept)
    trainer.rate_factor, trainer.batch_offset = factor, offset
    return WentBack(record.step, alarm, record.loss, trainer.step, factor)
