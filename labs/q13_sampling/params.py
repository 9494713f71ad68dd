"""What can be set in Question 13. The sampler's settings and their limits are those of the brief's bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from labs.fields import Params, choice, real, text, whole
from labs.q13_sampling.analytic import ORDERS, BoundaryRule
from labs.q13_sampling.typed import KINDS, kind_of, read_numbers

PROMPT = "今天天气"
NUMBERS = "8, 7, 6, 3, 2"
DTYPES = ("float64", "float32", "float16")
"""What the filters compute in; rounding decides ties."""
GRIDS = ("auto", "small", "full")
_TOP_P = "Top-p must be in (0, 1]."
_MIN_P = "Min-p must be in [0, 1]; 0 keeps all tokens."
_TYPICAL_P = "Typical-p must be in (0, 1]; 1 keeps all tokens."
_TEMPERATURE = "Negative temperature would favour the worst tokens."


def _prompt(*, primary: bool = True) -> Any:
    return text(PROMPT, label="q13.prompt", primary=primary)


def _temperature(default: float = 0.8, *, view: bool = False) -> Any:
    return real(default, 0, 3, step=0.05, label="q13.temperature", primary=True, view=view,
                low_sentence=_TEMPERATURE)


def _top_p(*, view: bool = False) -> Any:
    return real(0.9, 0, 1, above_minimum=True, step=0.01, label="q13.top_p", primary=True, view=view,
                sentence=_TOP_P)


def _top_k(*, view: bool = False) -> Any:
    return whole(0, 0, 6400, label="q13.top_k", unit="tokens", view=view)


def _min_p(*, view: bool = False) -> Any:
    return real(0.0, 0, 1, step=0.01, label="q13.min_p", view=view, sentence=_MIN_P)


def _repetition_penalty(*, view: bool = False) -> Any:
    return real(1.0, 1, 2, step=0.05, label="q13.repetition_penalty", view=view)


def _rule() -> Any:
    return choice("definition", get_args(BoundaryRule), label="q13.rule", view=True)


def _order(*orders: str) -> Any:
    return choice("temperature_first", orders, label="q13.order", view=True)


def _dtype() -> Any:
    return choice("float64", DTYPES, label="q13.dtype", view=True)


def _seed() -> Any:
    return whole(0, 0, 2**31 - 1, label="q13.seed")


def _max_new_tokens() -> Any:
    return whole(40, 1, 400, label="q13.max_new_tokens", unit="tokens")


@dataclass(frozen=True)
class NextTokenParams(Params):
    """Only the prompt needs the model; the rest refilters its logits."""

    prompt: str = _prompt()
    temperature: float = _temperature(view=True)
    top_p: float = _top_p(view=True)
    top_k: int = _top_k(view=True)
    min_p: float = _min_p(view=True)
    repetition_penalty: float = _repetition_penalty(view=True)
    typical_p: float = real(1.0, 0, 1, above_minimum=True, step=0.01, label="q13.typical_p", view=True,
                            sentence=_TYPICAL_P)
    rule: str = _rule()
    order: str = _order(*ORDERS)
    dtype: str = _dtype()


@dataclass(frozen=True)
class ContinuationParams(Params):
    """One sampled text. The same seed gives the same text on the same device."""

    prompt: str = _prompt()
    temperature: float = _temperature()
    top_p: float = _top_p()
    top_k: int = _top_k()
    min_p: float = _min_p()
    repetition_penalty: float = _repetition_penalty()
    seed: int = _seed()
    max_new_tokens: int = _max_new_tokens()


@dataclass(frozen=True)
class WallParams(Params):
    """Many texts with the same settings; the i-th has the seed `seed` + i."""

    prompt: str = _prompt(primary=False)
    temperature: float = _temperature()
    top_p: float = _top_p()
    top_k: int = _top_k()
    min_p: float = _min_p()
    repetition_penalty: float = _repetition_penalty()
    seed: int = _seed()
    samples: int = whole(20, 1, 200, label="q13.samples", primary=True)
    max_new_tokens: int = _max_new_tokens()


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

    temperature: float = _temperature(1.0)
    top_p: float = _top_p()


@dataclass(frozen=True)
class ManualParams(Params):
    """Numbers typed in place of the model's. All of it is view: typing never starts a run."""

    numbers: str = text(NUMBERS, label="q13.numbers", primary=True, view=True)
    numbers_are: str = choice("auto", KINDS, label="q13.numbers_are", view=True)
    temperature: float = _temperature(1.0, view=True)
    top_p: float = _top_p(view=True)
    rule: str = _rule()
    order: str = _order("temperature_first", "top_p_first")
    dtype: str = _dtype()

    def check_together(self) -> None:
        """Raise ParamError for numbers that cannot be read as what they are said to be."""
        self.typed()

    def typed(self) -> list[float]:
        """The numbers, in the order they were typed."""
        return read_numbers(self.numbers, self.numbers_are)

    @property
    def read_as(self) -> str:
        """"logits" or "probabilities"."""
        return kind_of(self.typed(), self.numbers_are)


@dataclass(frozen=True)
class BugsParams(Params):
    """The size of the batch that is wiped out, and the repetition penalty whose sign goes wrong."""

    rows: int = whole(16, 6, 64, label="q13.rows", primary=True)
    penalty: float = real(1.2, 1, 2, step=0.05, label="q13.repetition_penalty", primary=True)
