"""What can be set in Question 6, and the sentences for what cannot. The model is always the 26M's shape.

Torch-free. Limits of this device (memory, how far a CPU runs live) are `measure.py`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from labs.contract import ParamError, Params, choice, real, whole
from labs.tools.seeds.plans import SIZES, plan_of

QUERY_HEADS = 8
MAX_TOKENS = 32_768
BATCHES = (1, 4, 16, 32, 128, 512, 1024)
"""Batches of the decode curve, as far as the device goes."""
WHOLE_TOKENS = "The cache length must be a whole number from 1 to 32,768."
TABLE_ENDS = "The position table ends at 32,768 tokens."
BITS = {"fp32": 32, "bf16": 16, "fp16": 16, "int8": 8, "int4": 4}
"""Bits of one cached number, without the scales of the quantised types."""
COMPUTED_ONLY = ("int8", "int4")
SEEDS_STEPS = {"toy": 130, "nano-rope": 300, "minimind-26m": 300}
"""What each model of a size is trained for unless a number was asked for."""


@dataclass(frozen=True)
class SharedParams(Params):
    """Base that gives wrong head counts and lengths the lab's own sentences; a field may be missing."""

    def __post_init__(self) -> None:
        kv_heads, tokens = getattr(self, "kv_heads", 1), getattr(self, "tokens", 1)
        if isinstance(kv_heads, int) and (kv_heads < 1 or QUERY_HEADS % kv_heads):
            raise ParamError(
                "choice",
                "kv_heads",
                f"{QUERY_HEADS} query heads cannot be split evenly over "
                f"{kv_heads} KV heads. Pick 1, 2, 4 or 8.",
                key="q06.kv_heads",
                heads=QUERY_HEADS,
                given=kv_heads,
            )
        if tokens > MAX_TOKENS:
            raise ParamError("high", "tokens", TABLE_ENDS, key="q06.tokens.table", limit=MAX_TOKENS)
        super().__post_init__()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """As `Params.from_dict`; numbers of heads may come as text, and half a token has its sentence."""
        values = dict(data)
        if str(values.get("kv_heads", "")).lstrip("-").isdecimal():
            values["kv_heads"] = int(values["kv_heads"])
        try:
            return super().from_dict(values)
        except ParamError as error:
            if (error.field, error.code) == ("tokens", "kind"):
                raise ParamError("kind", "tokens", WHOLE_TOKENS, key="q06.tokens") from None
            raise


def _kv_heads(default: int = 2, *, primary: bool = True) -> Any:
    return choice(default, (1, 2, 4, 8), label="q06.kv_heads", primary=primary)


def _tokens(default: int = 2048, *, primary: bool = True) -> Any:
    return whole(
        default, 1, MAX_TOKENS, label="q06.tokens", unit="tokens", primary=primary, sentence=WHOLE_TOKENS
    )


def _seed() -> Any:
    return whole(0, 0, 2**31 - 1, label="q06.seed")


@dataclass(frozen=True)
class DecodeParams(SharedParams):
    """One decode step with 8, 2 and 1 KV heads, at each of `BATCHES` up to the largest."""

    tokens: int = _tokens()
    max_batch: int = choice(0, (0, *BATCHES), label="q06.max_batch", primary=True)
    """0 goes as far as is quick on the device: 4 on a CPU, 512 on a GPU."""


@dataclass(frozen=True)
class CacheParams(SharedParams):
    """The bytes of one cache. `card_gb` is what `view.py` counts sequences on."""

    kv_heads: int = _kv_heads()
    tokens: int = _tokens()
    batch: int = whole(1, 1, 1024, label="q06.batch", primary=True)
    cache_type: str = choice("bf16", tuple(BITS), label="q06.cache_type")
    card_gb: float = real(80, 1, 1000, step=1, label="q06.card_gb", unit="GB", view=True)


@dataclass(frozen=True)
class WiringParams(SharedParams):
    """Which query head reads which KV head. Both orders are run; `order` is the one drawn."""

    kv_heads: int = _kv_heads()
    order: str = choice("grouped", ("grouped", "tiled"), label="q06.order", primary=True, view=True)
    tokens: int = _tokens(64, primary=False)
    seed: int = _seed()


@dataclass(frozen=True)
class LayerParams(SharedParams):
    """One decode step of one attention layer, computed in every way."""

    kv_heads: int = _kv_heads()
    tokens: int = _tokens()
    batch: int = whole(8, 1, 1024, label="q06.batch", primary=True)
    seed: int = _seed()


@dataclass(frozen=True)
class QualityParams(Params):
    """Held-out loss of the three specimens."""

    windows: int = whole(32, 4, 200, label="q06.windows", primary=True)
    text: str = choice("both", ("both", "code", "english"), label="q06.text", primary=True)
    seed: int = _seed()


@dataclass(frozen=True)
class ConvertParams(Params):
    """Mean-pooling a trained MHA model, and training on."""

    steps: int = whole(30, 0, 100, label="q06.steps", primary=True)
    learning_rate: float = real(3e-4, 1e-5, 1e-2, step=1e-5, label="q06.learning_rate")
    seed: int = _seed()


@dataclass(frozen=True)
class SeedsParams(Params):
    """Training every kind from several seeds."""

    size: str = choice("auto", SIZES, label="q06.size", primary=True)
    seeds: int = whole(3, 2, 5, label="q06.seeds", primary=True)
    steps: int = whole(0, 0, 1000, step=10, label="q06.steps_or_auto", primary=True)
    text: str = choice("both", ("both", "code", "english"), label="q06.text")

    def steps_on(self, device: str) -> int:
        """The training steps of each model on a device."""
        return self.steps or SEEDS_STEPS[plan_of(self.size, device).preset]
