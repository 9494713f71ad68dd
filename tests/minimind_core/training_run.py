"""A small training run that a test can kill, resume, or spread over processes.

python -m tests.minimind_core.training_run STATE       saves after every update, prints each loss exactly
torchrun ... -m tests.minimind_core.training_run cpu   trains to the end; the first process tells
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch

from minimind_core.model.minimind import MiniMind
from minimind_core.training.batches import IGNORE, Batch
from minimind_core.training.distributed import Processes, join_processes, leave_processes
from minimind_core.training.recovery import trace
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig
from tests.minimind_core.checkpoint_samples import TINY

CONFIG = TrainingConfig(steps=400, batch_size=8, grad_accum=2, seq_len=16, learning_rate=1e-3, warmup_steps=5)
SHORT = TrainingConfig(steps=6, batch_size=8, grad_accum=2, seq_len=16, learning_rate=1e-3, warmup_steps=2)
BROKEN = "model.layers.1.mlp.up_proj"
"""What is broken in the second process of two, after the training."""


class RandomBatches:
    """Random ids, with very unequal numbers of scored targets from row to row."""

    def __init__(self, batch_size: int = 8, seq_len: int = 16, vocab_size: int = TINY.vocab_size) -> None:
        self.shape, self.vocab_size = (batch_size, seq_len), vocab_size

    def batch(self, step: int) -> Batch:
        """A function of the step alone."""
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randint(self.vocab_size, self.shape, generator=generator)
        targets = torch.randint(self.vocab_size, self.shape, generator=generator)
        lengths = torch.linspace(1, self.shape[1], self.shape[0]).int()[:, None]
        return Batch(inputs, targets.masked_fill(torch.arange(self.shape[1]) >= lengths, IGNORE))


def fresh_trainer(config: TrainingConfig, processes: Processes | None = None, device: str = "cpu") -> Trainer:
    """The same weights every time."""
    torch.manual_seed(0)
    return Trainer(MiniMind(TINY).to(device), RandomBatches(), config, processes)


def gloo_threads() -> int:
    """Those of this process that Linux knows by gloo's names; 0 on other systems."""
    return sum("gloo" in name.read_text() for name in Path("/proc/self/task").glob("*/comm"))


def main() -> None:
    """See the module's docstring."""
    torch.set_num_threads(1)
    target = sys.argv[1]
    if target not in ("cpu", "cuda"):
        trainer = fresh_trainer(CONFIG)
        for record in trainer.steps():
            trainer.save(Path(target))
            print(record.loss.hex(), flush=True)
        return
    processes = join_processes(target)
    trainer = fresh_trainer(SHORT, processes, target)
    losses = [record.loss for record in trainer.steps()]
    if processes.rank == 1:
        trainer.model.get_submodule(BROKEN).register_forward_hook(lambda _m, _i, output: output * math.inf)
    traced = trace(trainer, trainer.records[-1])
    leave_processes()
    if processes.is_first:
        weights = [float(parameter.detach().double().norm()) for parameter in trainer.parameters]
        print(
            json.dumps(
                {
                    "processes": processes.count,
                    "losses": losses,
                    "weights": weights,
                    "traced": traced.sentence(),
                    "gloo_threads": gloo_threads(),
                }
            )
        )


if __name__ == "__main__":
    main()
