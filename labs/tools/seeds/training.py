"""Trains each kind of model from each seed on the same text. Imports torch; scores nothing.

A seed decides the first weights and the order of the text. Kinds with the same seed read the same rows
in the same order, so that between them only the kind differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labs.contract import Context
from labs.tools import heldout
from labs.tools.models import untrained
from labs.tools.seeds.plans import Plan, SeedsParams, SeriesFacts, check_size, plan_of
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.minimind import MiniMind
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
    """All trainings of one run: `kinds` by name, `rows` int64 [N, T + 1] of training text.

    `scored` are held-out stretches, the same for every model, int64 [M, S + 1].
    """

    plan: Plan
    kinds: Mapping[str, ModelConfig]
    seeds: int
    steps: int
    rows: Tensor
    scored: Tensor

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
            "scored_tokens": self.scored[:, 1:].numel(),
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


def prepared(
    params: SeedsParams, ctx: Context, changes: Mapping[str, Mapping[str, Any]], *, times_trained: int = 1
) -> Series:
    """The trainings of a run; each kind is the size's shape with its `changes`.

    There are as many different rows of the trained length as the steps can use, or as there are; what is
    scored is `times_trained` as long. Raises ConfigError for a size that only a GPU trains.
    """
    check_size(params.size, ctx.device)
    ctx.progress(0.0, "reading")
    plan, steps = plan_of(params.size, ctx.device), params.steps_on(ctx.device)
    tokenizer, trained = ctx.model(plan.tokenizer).tokenizer, plan.config.max_length
    text, length = heldout.held_out(params.text), times_trained * trained
    scored = heldout.windows(tokenizer, text, plan.scored_tokens // length, length, 0)
    text = heldout.library(params.text) if plan.whole_library else heldout.training(params.text)
    rows = heldout.windows(tokenizer, text, steps * plan.rows, trained, 0, ctx.check_cancelled)
    kinds = {kind: plan.config.replace(**change) for kind, change in changes.items()}
    return Series(plan, kinds, params.seeds, steps, rows, scored)
