"""Trains each kind of model from each seed on the same text. Imports torch; scores nothing.

A seed decides the first weights and the order of the text. Kinds with the same seed read the same rows
in the same order, so that between them only the kind differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from labs.contract import Context
from labs.tools import heldout
from labs.tools.models import untrained
from labs.tools.seeds.plans import Plan, SeriesFacts
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig

WARMUP_SHARE = 0.1


@dataclass(frozen=True)
class Trained:
    """One finished model, ready to read."""

    kind: str
    seed: int
    model: MiniMind


@dataclass(frozen=True)
class Series:
    """All trainings of one run: `kinds` by name, `rows` int64 [N, T + 1] of training text."""

    plan: Plan
    kinds: Mapping[str, ModelConfig]
    seeds: int
    steps: int
    rows: Tensor

    def models(self, ctx: Context) -> Iterator[Trained]:
        """Every kind from the first seed, then from the next: all kinds are compared as early as possible."""
        total, done = self.seeds * len(self.kinds) * self.steps, 0
        for seed in range(self.seeds):
            source = self.source(seed)
            for kind, config in self.kinds.items():
                model = untrained(config, ctx.device, seed)
                for _ in Trainer(model, source, self._settings()).steps():
                    done += 1
                    ctx.progress(done / total, "training", kind=kind, seed=seed)
                yield Trained(kind, seed, model.eval())

    def source(self, seed: int) -> heldout.Stretches:
        """The text in the order of a seed, which knows nothing of a kind."""
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(seed))
        return heldout.Stretches(self.rows[order], self.plan.rows)

    def described(self) -> SeriesFacts:
        """The facts of the finished trainings."""
        length = self.rows.shape[1] - 1
        tokens = self.steps * self.plan.rows * length
        return {
            "seeds": self.seeds,
            "steps": self.steps,
            "length": length,
            "toy": self.plan.toy,
            "shape": self.plan.preset,
            "training_tokens": tokens,
            "passes": tokens / (len(self.rows) * length),
            "parameters": {kind: num_parameters(config) for kind, config in self.kinds.items()},
        }

    def _settings(self) -> TrainingConfig:
        return TrainingConfig(
            steps=self.steps,
            batch_size=self.plan.rows,
            seq_len=self.rows.shape[1] - 1,
            learning_rate=self.plan.learning_rate,
            dtype=self.plan.dtype,
            warmup_steps=max(1, round(WARMUP_SHARE * self.steps)),
        )


def training_rows(
    tokenizer: Tokenizer, text: str, plan: Plan, steps: int, check: Callable[[], object]
) -> Tensor:
    """As many different rows of the trained length as the steps can use, or as there are: [N, T + 1].

    `check` is called again and again while the text is read.
    """
    documents = heldout.library(text) if plan.whole_library else heldout.training(text)
    return heldout.windows(tokenizer, documents, steps * plan.rows, plan.config.max_length, 0, check)


def scored_rows(tokenizer: Tokenizer, text: str, plan: Plan, length: int) -> Tensor:
    """Held-out stretches of a length, the same for every model: [N, length + 1]."""
    return heldout.windows(tokenizer, heldout.held_out(text), plan.scored_tokens // length, length, 0)
