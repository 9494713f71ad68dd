"""What can be set in Question 13. The sampler's settings and their limits are those of the brief's bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from labs.fields import Params, choice, real, text, whole
from labs.q13_sampling.analytic import BoundaryRule
from labs.q13_sampling.typed import KINDS, read_numbers

PROMPT = "今天天气"
NUMBERS = "8, 7, 6, 3, 2"
_TOP_P = "Top-p must be in (0, 1]."
_MIN_P = "Min-p must be in [0, 1]; 0 keeps all tokens."
_TEMPERATURE = "Negative temperature would favour the worst tokens."


@dataclass(frozen=True)
class NextTokenParams(Params):
    """Only the prompt needs the model; the rest refilters its logits."""

    prompt: str = text(PROMPT, label="q13.prompt", primary=True)
    temperature: float = real(0.8, 0, 3, step=0.05, label="q13.temperature", primary=True, view=True,
                             low_sentence=_TEMPERATURE)
    top_p: float = real(0.9, 0, 1, above_minimum=True, step=0.01, label="q13.top_p", primary=True, view=True,
                        sentence=_TOP_P)
    top_k: int = whole(0, 0, 6400, label="q13.top_k", unit="tokens", view=True)
    min_p: float = real(0.0, 0, 1, step=0.01, label="q13.min_p", view=True, sentence=_MIN_P)
    repetition_penalty: float = real(1.0, 1, 2, step=0.05, label="q13.repetition_penalty", view=True)


@dataclass(frozen=True)
class ContinuationParams(Params):
    """One sampled text. The same seed gives the same text on the same device."""

    prompt: str = text(PROMPT, label="q13.prompt", primary=True)
    temperature: float = real(0.8, 0, 3, step=0.05, label="q13.temperature", primary=True,
                             low_sentence=_TEMPERATURE)
    top_p: float = real(0.9, 0, 1, above_minimum=True, step=0.01, label="q13.top_p", primary=True,
                        sentence=_TOP_P)
    top_k: int = whole(0, 0, 6400, label="q13.top_k", unit="tokens")
    min_p: float = real(0.0, 0, 1, step=0.01, label="q13.min_p", sentence=_MIN_P)
    repetition_penalty: float = real(1.0, 1, 2, step=0.05, label="q13.repetition_penalty")
    seed: int = whole(0, 0, 2**31 - 1, label="q13.seed")
    max_new_tokens: int = whole(40, 1, 400, label="q13.max_new_tokens", unit="tokens")


@dataclass(frozen=True)
class ManualParams(Params):
    """Numbers typed in place of the model's. All of it is view: typing never starts a run."""

    numbers: str = text(NUMBERS, label="q13.numbers", primary=True, view=True)
    numbers_are: str = choice("logits", KINDS, label="q13.numbers_are", view=True)
    temperature: float = real(1.0, 0, 3, step=0.05, label="q13.temperature", primary=True, view=True,
                             low_sentence=_TEMPERATURE)
    top_p: float = real(0.9, 0, 1, above_minimum=True, step=0.01, label="q13.top_p", primary=True, view=True,
                        sentence=_TOP_P)
    rule: str = choice("definition", get_args(BoundaryRule), label="q13.rule", view=True)

    def check_together(self) -> None:
        """Raise ParamError for numbers that cannot be read as what they are said to be."""
        self.typed()

    def typed(self) -> list[float]:
        """The numbers, in the order they were typed."""
        return read_numbers(self.numbers, self.numbers_are)


@dataclass(frozen=True)
class BugsParams(Params):
    """The size of the batch that is wiped out, and the repetition penalty whose sign goes wrong."""

    rows: int = whole(16, 6, 64, label="q13.rows", primary=True)
    penalty: float = real(1.2, 1, 2, step=0.05, label="q13.repetition_penalty", primary=True)
