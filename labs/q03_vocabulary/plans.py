"""How three vocabularies are compared: the body that they share, and what each model may spend. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from labs.tools.budgets import PerDevice
from minimind_core.model.config import ModelConfig, swiglu_width
from minimind_core.model.cost import forward_flops
from minimind_core.training.training_config import TrainingDtype


@dataclass(frozen=True)
class Plan:
    """What the models have in common. `flops` are those of one whole training."""

    hidden: int
    layers: int
    rows: int
    length: int
    learning_rate: float
    warmup: int
    dtype: TrainingDtype
    flops: float
    characters: int
    """Of training text."""
    scored: int
    """Characters of held-out text."""
    seconds_a_model: float

    def config(self, entries: int) -> ModelConfig:
        """The body with a tied vocabulary of that size."""
        heads = self.hidden // 16
        return ModelConfig(
            vocab_size=entries,
            hidden_size=self.hidden,
            num_layers=self.layers,
            num_heads=heads,
            num_kv_heads=heads // 2,
            head_dim=16,
            intermediate_size=swiglu_width(self.hidden),
            max_length=self.length,
        )

    def step_flops(self, entries: int) -> int:
        """Of one update: forward, and twice that for the backward pass."""
        return 3 * forward_flops(self.config(entries), self.rows, self.length)

    def steps(self, entries: int) -> int:
        """Updates that the budget pays for."""
        return max(1, round(self.flops / self.step_flops(entries)))


PLANS = PerDevice(
    cpu=Plan(64, 3, 8, 64, 5e-3, 10, "fp32", 1.2e11, 1_400_000, 8_000, 8.0),
    cuda=Plan(256, 4, 32, 256, 2e-3, 100, "bf16", 2e14, 24_000_000, 200_000, 30.0),
)
