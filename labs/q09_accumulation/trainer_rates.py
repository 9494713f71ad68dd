"""The learning rate that minimind_core's trainer really gives its optimizer. Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from labs.contract import OnProgress
from labs.tools.heldout import Stretches
from labs.tools.models import untrained
from minimind_core.model.config import ModelConfig
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig


def trainer_rates(model: ModelConfig, config: TrainingConfig, on_progress: OnProgress) -> NDArray[np.float32]:
    """Train a fresh model on one batch of ids, always the same; the optimizer's rate at every update, over
    the configured one."""
    ids = torch.arange(config.batch_size * (config.seq_len + 1)) % model.vocab_size
    rows = ids.view(config.batch_size, config.seq_len + 1)
    trainer = Trainer(untrained(model, "cpu"), Stretches(rows, config.batch_size), config)
    rates = []
    for record in trainer.steps():
        on_progress((record.step + 1) / config.steps)
        rates.append(trainer.optimizers[0].param_groups[0]["lr"] / config.learning_rate)
    return np.array(rates, np.float32)
