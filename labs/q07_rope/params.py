"""What can be set in Question 7, and the sentences for what cannot. Torch-free.

How far this device goes, and what a checkpoint has, is `measure.py`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from labs.contract import ParamError, Params, choice, real, switch, whole
from labs.contract.columns import DEFAULT_MODEL
from labs.contract.fields import text as free_text
from labs.q07_rope.scaling import UPSTREAM, read_scaling
from labs.tools.seeds.plans import SIZES, plan_of
from minimind_core.errors import ConfigError
from minimind_core.model.config import PositionKind

ARITHMETICS = ("fp64", "fp32", "bf16_values", "bf16_angles")
"""bf16_values: angles in fp32, everything else in bf16. bf16_angles: all of it in bf16."""
ANGLES = ("fp64", "fp32", "bf16")
STARTS = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
OFFSETS = (1, 100, 10_000, 1_000_000)
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
LIVE_REACH = 2048
"""The longest chunks that a CPU reads while somebody waits."""
SLOW_DOCUMENTS, FEW_DOCUMENTS, MANY_DOCUMENTS = 1, 2, 8
"""What is read unless a number was asked for: by the 26M on a CPU, by the small models there, on a GPU."""
SEEDS_STEPS = {"toy": 80, "nano-rope": 200, "minimind-26m": 300}
"""What each model of a size is trained for unless a number was asked for."""
POSITIONS: tuple[PositionKind, ...] = ("rope", "alibi", "sinusoidal", "learned", "none")
"""The kinds that are trained from several seeds."""
ODD = "Head dimension must be even: RoPE rotates pairs."
LOW_BASE = "Base must be larger than 1, or the frequencies do not fall."
LOW_FACTOR = "Factor must be at least 1; 1 means no scaling."


def _seed() -> Any:
    return whole(0, 0, 2**31 - 1, label="q07.seed")


@dataclass(frozen=True)
class InvarianceParams(Params):
    """The same distance at many starts. `start` and `arithmetic` choose what is looked at closely."""

    distance: int = whole(1, 0, 511, label="q07.distance", unit="tokens", primary=True)
    start: int = choice(100, STARTS, label="q07.start", primary=True, view=True)
    arithmetic: str = choice("fp32", ARITHMETICS, label="q07.arithmetic", primary=True, view=True)
    vectors: str = choice("random", ("random", "model"), label="q07.vectors")
    layer: int = whole(0, 0, 63, label="q07.layer")
    head: int = whole(0, 0, 63, label="q07.head")
    seed: int = _seed()


@dataclass(frozen=True)
class SpectrumParams(Params):
    """The frequencies of a head and what stretches them. `custom` is a dictionary as in a config.json."""

    length: int = choice(512, (128, 512, 2048, 8192, 32_768), label="q07.length", unit="tokens", primary=True)
    factor: float = real(16, 1, 64, step=1, label="q07.factor", primary=True, low_sentence=LOW_FACTOR)
    original: int = whole(512, 64, 32_768, label="q07.original", unit="tokens", primary=True)
    base: float = real(1e6, 1, 1e8, step=1, label="q07.base", above_minimum=True, low_sentence=LOW_BASE)
    head_dim: int = whole(64, 8, 128, step=2, label="q07.head_dim")
    beta_fast: float = real(32, 0.5, 128, step=0.5, label="q07.beta_fast")
    beta_slow: float = real(1, 0.1, 64, step=0.1, label="q07.beta_slow")
    temperature: bool = switch(True, label="q07.temperature")
    custom: str = free_text(UPSTREAM, label="q07.custom", max_length=400)

    def check_together(self) -> None:
        """Odd heads, crossed betas, and a dictionary that nobody could read."""
        if self.head_dim % 2:
            raise ParamError("together", "head_dim", ODD, key="q07.head_dim")
        try:
            read_scaling(self.custom)
        except ConfigError as error:
            raise ParamError("together", "custom", str(error), key=error.key, **error.values) from None
        if self.beta_fast <= self.beta_slow:
            raise ParamError(
                "together", "beta_fast", "beta_fast must be larger than beta_slow.", key="q07.betas"
            )


@dataclass(frozen=True)
class ShiftParams(Params):
    """The whole model on one text, at position 0 and further on."""

    tokens: int = choice(128, (64, 128, 256, 512), label="q07.tokens", unit="tokens", primary=True)
    sharpen: int = choice(1, (1, 2, 4), label="q07.sharpen", primary=True)
    text: str = choice("english", ("english", "code", "chinese"), label="q07.text")
    seed: int = _seed()


@dataclass(frozen=True)
class LengthsParams(Params):
    """The length bench. 0 leaves a number to us: what suits the device, or what the weights saw."""

    model: str = choice(
        "nano-rope",
        ("nano-rope", "nano-rope-1e4", "byte-128", "minimind-26m"),
        label="q07.model",
        primary=True,
    )
    reach: int = choice(0, (0, 512, 1024, 2048, 4096, 8192), label="q07.reach", primary=True)
    text: str = choice("both", ("both", "code", "english", "chinese"), label="q07.text", primary=True)
    factor: float = real(0, 0, 64, step=1, label="q07.factor_or_auto", low_sentence=LOW_FACTOR)
    original: int = whole(0, 0, 32_768, step=64, label="q07.original_or_auto", unit="tokens")
    temperature: bool = switch(True, label="q07.temperature")
    window: bool = switch(True, label="q07.window")
    shift: bool = switch(True, label="q07.shift_positions")
    others: bool = switch(True, label="q07.others")
    documents: int = whole(0, 0, 32, label="q07.documents")
    pasted: str = free_text("", label="q07.pasted", max_length=6000)
    seed: int = _seed()

    def check_together(self) -> None:
        """A factor below 1 would compress the trained positions further apart."""
        if 0 < self.factor < 1:
            raise ParamError("low", "factor", LOW_FACTOR, key="q07.factor.low")

    def documents_on(self, device: str) -> int:
        """How many documents are read on a device."""
        if self.documents:
            return self.documents
        if device == "cuda":
            return MANY_DOCUMENTS
        return SLOW_DOCUMENTS if self.model == DEFAULT_MODEL else FEW_DOCUMENTS

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """As `Params.from_dict`; a length that is no choice is told in the lab's own words."""
        values = dict(data)
        if str(values.get("reach", 0)).isdecimal():
            reach = int(values["reach"]) if "reach" in values else 0
            if reach and reach not in LENGTHS:
                raise ParamError(
                    "choice",
                    "reach",
                    "The longest length must be one of 512, 1024, 2048, 4096 and 8192 tokens.",
                    key="q07.reach",
                )
        return super().from_dict(values)


@dataclass(frozen=True)
class SeedsParams(Params):
    """Training every kind of positions from several seeds."""

    size: str = choice("auto", SIZES, label="q07.size", primary=True)
    seeds: int = whole(3, 2, 5, label="q07.seeds", primary=True)
    steps: int = whole(0, 0, 1000, step=10, label="q07.steps_or_auto", primary=True)
    text: str = choice("both", ("both", "code", "english"), label="q07.text")

    def steps_on(self, device: str) -> int:
        """The training steps of each model on a device."""
        return self.steps or SEEDS_STEPS[plan_of(self.size, device).preset]
