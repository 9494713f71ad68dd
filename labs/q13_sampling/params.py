"""What can be set in Question 13. The sampler's settings and their limits are those of the brief's bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from labs.contract import Params, choice, order, real, text, whole
from labs.q13_sampling.analytic import DEFAULT_ORDER, BoundaryRule
from labs.q13_sampling.typed import KINDS, kind_of, read_numbers
from labs.tools.sampler import min_p, repetition_penalty, temperature, top_k, top_p

PROMPT = "今天天气"
NUMBERS = "8, 7, 6, 3, 2"
DTYPES = ("float64", "float32", "float16")
"""What the filters compute in; rounding decides ties."""
GRIDS = ("auto", "small", "full")
_TYPICAL_P = "Typical-p must be in (0, 1]; 1 keeps all tokens."


def _prompt(*, primary: bool = True) -> Any:
    return text(PROMPT, label="q13.prompt", primary=primary)


def _rule() -> Any:
    return choice("definition", get_args(BoundaryRule), label="q13.rule", view=True)


def _order(*stages: str) -> Any:
    return order(*stages, label="q13.order", view=True)


def _dtype() -> Any:
    return choice("float64", DTYPES, label="q13.dtype", view=True)


def _seed() -> Any:
    return whole(0, 0, 2**31 - 1, label="q13.seed")


@dataclass(frozen=True)
class NextTokenParams(Params):
    """Only the prompt needs the model; the rest refilters its logits."""

    prompt: str = _prompt()
    temperature: float = temperature("q13.temperature", view=True)
    top_p: float = top_p("q13.top_p", view=True)
    top_k: int = top_k("q13.top_k", view=True)
    min_p: float = min_p("q13.min_p", view=True)
    repetition_penalty: float = repetition_penalty("q13.repetition_penalty", view=True)
    typical_p: float = real(
        1.0, 0, 1, above_minimum=True, step=0.01, label="q13.typical_p", view=True, sentence=_TYPICAL_P
    )
    rule: str = _rule()
    order: str = _order(*DEFAULT_ORDER)
    dtype: str = _dtype()


@dataclass(frozen=True)
class WrittenParams(Params):
    """What every text is written with. The same seed gives the same text on the same device."""

    prompt: str = _prompt()
    temperature: float = temperature("q13.temperature")
    top_p: float = top_p("q13.top_p")
    top_k: int = top_k("q13.top_k")
    min_p: float = min_p("q13.min_p")
    repetition_penalty: float = repetition_penalty("q13.repetition_penalty")
    seed: int = _seed()
    max_new_tokens: int = whole(40, 1, 400, label="q13.max_new_tokens", unit="tokens")


@dataclass(frozen=True)
class ContinuationParams(WrittenParams):
    """One sampled text."""


@dataclass(frozen=True)
class WallParams(WrittenParams):
    """Many texts with the same settings; the i-th has the seed `seed` + i."""

    prompt: str = _prompt(primary=False)
    samples: int = whole(20, 1, 200, label="q13.samples", primary=True)


@dataclass(frozen=True)
class GridParams(Params):
    """Python and prose at many temperatures and top-p; every text has a seed of its own."""

    size: str = choice("auto", GRIDS, label="q13.size", primary=True)
    """"auto" is small on a CPU and full on a GPU."""
    samples: int = choice(0, (0, 4, 8, 16, 32), label="q13.grid.samples", primary=True)
    """Texts of each kind a cell; 0 is 8 on a CPU and 32 on a GPU."""
    max_new_tokens: int = whole(48, 16, 128, label="q13.max_new_tokens", unit="tokens")
    seed: int = _seed()


@dataclass(frozen=True)
class ConfidenceParams(Params):
    """What the same settings keep for a model that is sure and for one that has hardly learned."""

    temperature: float = temperature("q13.temperature", 1.0)
    top_p: float = top_p("q13.top_p")


@dataclass(frozen=True)
class ManualParams(Params):
    """Numbers typed in place of the model's. All of it is view: typing never starts a run."""

    numbers: str = text(NUMBERS, label="q13.numbers", primary=True, view=True)
    numbers_are: str = choice("auto", KINDS, label="q13.numbers_are", view=True)
    temperature: float = temperature("q13.temperature", 1.0, view=True)
    top_p: float = top_p("q13.top_p", view=True)
    rule: str = _rule()
    order: str = _order("temperature", "top_p")
    dtype: str = _dtype()

    def check_together(self) -> None:
        """Raise ParamError for numbers that cannot be read as what they are said to be."""
        self.typed()

    def typed(self) -> list[float]:
        """The numbers, in the order they were typed."""
        return read_numbers(self.numbers, self.numbers_are)

    @property
    def read_as(self) -> str:
        """ "logits" or "probabilities"."""
        return kind_of(self.typed(), self.numbers_are)


@dataclass(frozen=True)
class BugsParams(Params):
    """The size of the batch that is wiped out, and the repetition penalty whose sign goes wrong."""

    rows: int = whole(16, 6, 64, label="q13.rows", primary=True)
    penalty: float = real(1.2, 1, 2, step=0.05, label="q13.repetition_penalty", primary=True)
