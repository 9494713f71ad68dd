"""The planted faults, by name, and the cases that a seed makes of them. No torch."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAULTS = (
    "inf_in_up_proj",
    "high_rate",
    "fp16_overflow",
    "empty_batch",
    "no_eps",
    "bad_row",
    "masked_row",
    "root_of_zero",
    "poisoned_adam",
    "mask_times_inf",
    "log_of_softmax",
    "label_out_of_range",
)
MYSTERIES = FAULTS[:-1]
"""Those that do not announce themselves with an exception."""
OPTIMIZERS = ("adamw", "momentum", "sgd")
REPAIRS = (
    "none",
    "guard",
    "clip",
    "lower_rate",
    "bf16",
    "eps",
    "denominator",
    "nan_to_num",
    "fused_loss",
    "fused_attention",
    "safe_root",
    "drop_batch",
    "reload_weights",
    "reload_all",
)


@dataclass(frozen=True)
class Case:
    """A fault, the block that it is planted in where it has one, and the step it begins with."""

    kind: str
    """One of `FAULTS`, or "none"."""
    block: int = 4
    strike: int = 2


@dataclass(frozen=True)
class Recipe:
    """How a run is trained. The format "auto" is FP16 where the fault needs it, else FP32."""

    number_format: str = "auto"
    optimizer: str = "adamw"
    """One of `OPTIMIZERS`."""
    learning_rate: float = 1e-4
    clip: float | None = 1.0
    """The largest norm of a gradient; None for any."""


PLAIN = Recipe()


def mystery(number: int, num_layers: int) -> Case:
    """The case of that number, the same everywhere."""
    source = random.Random(number)
    return Case(source.choice(MYSTERIES), source.randrange(1, num_layers - 1), source.randrange(2, 4))
