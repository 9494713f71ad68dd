"""What can be set in Question 10, and the sentences for what cannot. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labs.contract import ParamError, Params, choice, real, text, whole
from labs.q10_grad_scaler.steps_text import read_steps

MAX_STEPS = 20_000
POSITIVE_SCALE = "The scale must be positive."
FACTORS = "Backoff must be below 1 and growth above 1."
ONE_STEP = "Need at least one step."


def _exponent(default: int, highest: int, label: str, *, view: bool = False) -> Any:
    return whole(default, 0, highest, label=label, primary=True, view=view)


@dataclass(frozen=True)
class WindowParams(Params):
    """One gradient of the model, seen in every precision. Scale and tokens only move what was measured."""

    specimen: str = choice("random", ("random", "trained", "outlier"), label="q10.specimen", primary=True)
    scale_exponent: int = _exponent(0, 24, "q10.scale_exponent", view=True)
    tokens_exponent: int = _exponent(14, 20, "q10.tokens_exponent", view=True)
    where: str = choice("all", ("all", "logits", *map(str, range(8))), label="q10.where", view=True)
    precision: str = choice("fp16", ("fp16", "bf16", "fp32"), label="q10.precision", view=True)
    every: int = choice(0, (0, 4, 2, 1), label="q10.every")
    """FP16 backward passes at every so many powers of two; 0 as suits the device."""


@dataclass(frozen=True)
class ScalerParams(Params):
    """A scaler before gradients that fit up to `fits`, with more steps that overflow in any case."""

    init_scale: float = real(
        65536.0,
        0,
        2.0**100,
        step=1.0,
        label="q10.init_scale",
        above_minimum=True,
        primary=True,
        low_sentence=POSITIVE_SCALE,
    )
    fits_exponent: int = _exponent(10, 24, "q10.fits_exponent")
    steps: int = whole(40, 1, MAX_STEPS, label="q10.steps", primary=True)
    growth_interval: int = whole(2000, 1, 5000, label="q10.growth_interval")
    growth_factor: float = real(
        2.0, 1, 16, step=0.5, label="q10.growth_factor", above_minimum=True, low_sentence=FACTORS
    )
    backoff_factor: float = real(
        0.5, 0, 1, step=0.05, label="q10.backoff_factor", above_minimum=True, sentence=FACTORS
    )
    overflows: str = text("", label="q10.overflows", max_length=200)
    """Steps that overflow whatever the scale, such as "12, 30-35"; the first step is 1."""

    def __post_init__(self) -> None:
        for name in ("steps", "growth_interval"):
            if getattr(self, name) < 1:
                raise ParamError("low", name, ONE_STEP, key="q10.one_step")
        super().__post_init__()

    def check_together(self) -> None:
        """A backoff of 1 would keep the scale, and the list of steps has to be one."""
        if self.backoff_factor >= 1:
            raise ParamError("together", "backoff_factor", FACTORS, key="q10.backoff_factor")
        read_steps(self.overflows)


@dataclass(frozen=True)
class OrdersParams(Params):
    """One optimizer step of a small model, in the right order and in wrong ones."""

    accumulation: int = whole(4, 1, 8, label="q10.accumulation", primary=True)
    scale_exponent: int = _exponent(16, 20, "q10.scale_exponent")
    clip_norm: float = real(1.0, 0, 100, step=0.1, label="q10.clip_norm", above_minimum=True)


@dataclass(frozen=True)
class DuelParams(Params):
    """Four trainings from the same weights on the same text."""

    steps: int = whole(60, 20, 200, label="q10.steps", primary=True)
    tokens_exponent: int = _exponent(20, 20, "q10.tokens_exponent")
    learning_rate: float = real(2e-3, 1e-4, 1e-2, step=1e-4, label="q10.learning_rate")
    seed: int = whole(0, 0, 2**31 - 1, label="q10.seed")


@dataclass(frozen=True)
class MemoryParams(Params):
    """One micro-batch, whose bytes are counted."""

    batch: int = whole(8, 1, 32, label="q10.batch", primary=True)
    length: int = whole(128, 32, 512, label="q10.length", unit="tokens", primary=True)


@dataclass(frozen=True)
class SpeedParams(Params):
    """Training steps of the 26M's shape, in turn, with a small and a large batch."""

    large_batch: int = whole(0, 0, 64, label="q10.large_rows", primary=True)
    """Rows of the large batch; 0 as suits the device."""
