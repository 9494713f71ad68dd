"""How the models of a run are trained on a device, and how long that takes. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from minimind_core.config import PRESETS, ModelConfig
from minimind_core.training_config import TrainingDtype

TOKENIZER = "nano-rope"
"""The specimen whose 1k tokenizer all of them read with."""


@dataclass(frozen=True)
class Plan:
    """What all models of a run have in common besides their steps: `rows` of the trained length a step."""

    preset: str
    rows: int
    learning_rate: float
    dtype: TrainingDtype
    scored_tokens: int
    """Of held-out text; fewer where that ends."""
    seconds_a_step: float
    seconds_a_model: float
    """Making and scoring one."""

    @property
    def config(self) -> ModelConfig:
        """The shape that the kinds differ from in one thing."""
        return PRESETS[self.preset]

    @property
    def toy(self) -> bool:
        """True where the device trains so little that only the method can be seen."""
        return self.preset == "toy"

    def seconds(self, models: int, steps: int) -> float:
        """What a run of so many models takes."""
        return 2 + models * (self.seconds_a_model + steps * self.seconds_a_step)


PLANS = {"cuda": Plan("nano-rope", 32, 3e-3, "bf16", 65_536, 0.0148, 0.5),
         "cpu": Plan("toy", 8, 5e-3, "fp32", 4096, 0.023, 0.3)}


def plan_on(device: str) -> Plan:
    """The plan of "cuda"; any other device trains toys."""
    return PLANS.get(device, PLANS["cpu"])
