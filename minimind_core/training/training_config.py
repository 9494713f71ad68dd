"""How a model is trained: one frozen dataclass, checked when it is made, and its learning rate. No torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from minimind_core.errors import ConfigError
from minimind_core.written_settings import check_kinds

OptimizerKind = Literal["adamw", "muon"]
ScheduleKind = Literal["linear", "cosine", "constant", "wsd"]
TrainingDtype = Literal["fp32", "bf16", "fp16"]
MAX_COUNT, MAX_SEED = 2**31 - 1, 2**63 - 1
LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("steps", "batch_size", "seq_len", "grad_accum", "log_every"), (1, MAX_COUNT)),
    "warmup_steps": (0, MAX_COUNT),
    "seed": (0, MAX_SEED),
    "learning_rate": (1e-30, 1e3),
    "final_factor": (0.0, 1e3),
    "weight_decay": (0.0, 1e3),
    "beta1": (0.0, 1 - 2**-24),
    "beta2": (0.0, 1 - 2**-24),
    "eps": (1e-30, 1e3),
    "clip_norm": (0.0, 1e30),
}
"""The smallest and largest value of each number. Beyond them fp32 or an integer type cannot hold what is
computed, or it has no meaning."""
WSD_DECAY_SHARE = 0.2
"""Warmup-stable-decay (Hu et al. 2024): the share of the run that decays."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a run besides the model and the data. A run is a function of these."""

    steps: int
    batch_size: int = 64
    """Rows of one update, over all micro-batches and all processes."""
    seq_len: int = 512
    grad_accum: int = 1
    """Micro-batches an update; the gradient is that of the whole batch whatever their token counts."""
    optimizer: OptimizerKind = "adamw"
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    schedule: ScheduleKind = "linear"
    final_factor: float = 0.0
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    clip_norm: float = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    dtype: TrainingDtype = "fp32"
    document_mask: bool = False
    """Packed rows: attend within a document only, positions counted from its start."""
    seed: int = 0
    compile: bool = False
    log_every: int = 1

    def __post_init__(self) -> None:
        check_kinds(self)
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            given = f"{value!s:.40}"
            if not value >= low:  # NaN is not
                raise ConfigError(
                    f"{name} must be at least {low:g}, not {given}.",
                    key="written.least",
                    name=name,
                    limit=f"{low:g}",
                    given=given,
                )
            if value > high:
                raise ConfigError(
                    f"{name} must be at most {high:g}, not {given}.",
                    key="written.most",
                    name=name,
                    limit=f"{high:g}",
                    given=given,
                )
        if self.batch_size % self.grad_accum:
            raise ConfigError(
                f"batch_size {self.batch_size} cannot be split into {self.grad_accum} micro-batches.",
                key="written.split",
                rows=self.batch_size,
                parts=self.grad_accum,
            )
        kinds = {"optimizer": OptimizerKind, "schedule": ScheduleKind, "dtype": TrainingDtype}
        for name, kind in kinds.items():
            if getattr(self, name) not in get_args(kind):
                known, given = ", ".join(get_args(kind)), f"{getattr(self, name)!r:.40}"
                raise ConfigError(
                    f"{name} must be one of {known}, not {given}.",
                    key="written.choice",
                    name=name,
                    known=known,
                    given=given,
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return dataclasses.asdict(self)


def learning_rate_factor(
    kind: ScheduleKind, step: int, total_steps: int, warmup_steps: int, final_factor: float = 0.0
) -> float:
    """Multiplier of the peak learning rate for step 0..total_steps-1.

    Rises linearly over `warmup_steps`, reaching 1 at its last step, and ends at `final_factor`.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    if kind == "constant":
        return 1.0
    if kind == "linear":
        remaining = 1 - progress
    elif kind == "cosine":
        remaining = 0.5 * (1 + math.cos(math.pi * progress))
    else:
        remaining = min((1 - progress) / WSD_DECAY_SHARE, 1.0)
    return final_factor + (1 - final_factor) * remaining
