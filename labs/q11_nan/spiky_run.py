"""A training whose loss spikes, which keeps its past states, and replays of it. Imports torch.

The trainer, its states and the rule that calls a loss a spike are the core's own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from labs.tools.heldout import Stretches
from minimind_core.model.minimind import MiniMind
from minimind_core.training.monitor import LossMonitor
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig


class SpikyRun:
    """A training of `model` on rows int64 [N, T + 1], a batch an update; every `every` updates its state is
    kept, the last `most` of them, by update.
    """

    def __init__(
        self, model: MiniMind, rows: Tensor, training: TrainingConfig, *, every: int, most: int
    ) -> None:
        self.trainer = Trainer(model, Stretches(rows, training.batch_size), training)
        self.every, self.most = every, most
        self.kept: dict[int, dict[str, Any]] = {}

    def first(self, updates: int, monitor: LossMonitor) -> Iterator[tuple[float, bool]]:
        """Every loss, and whether the monitor calls it a spike; ends after that, or after so many updates."""
        while self.trainer.step < updates:
            if self.trainer.step % self.every == 0:
                self.kept[self.trainer.step] = copy.deepcopy(self.trainer.state())
                self.kept = dict(list(self.kept.items())[-self.most :])
            loss = self._update()
            spiked = monitor.hear(loss) is not None
            yield loss, spiked
            if spiked:
                return

    def replay(self, start: int, skip: int, updates: int) -> Iterator[tuple[float, bool]]:
        """So many losses from the kept state of update `start`, that many batches later; none is judged."""
        self.trainer.restore(copy.deepcopy(self.kept[start]))
        self.trainer.batch_offset = skip
        for _ in range(updates):
            yield self._update(), False

    def _update(self) -> float:
        return next(self.trainer.steps(until=self.trainer.step + 1)).loss
