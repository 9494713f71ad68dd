"""Numbers that a person types in place of the model's: all that happens to them is instant.

    read_numbers("8, 7, 6", "logits")              # [8.0, 7.0, 6.0]
    read_numbers("[0.65，0.12]", "probabilities")  # [0.65, 0.12]

Bad text is refused with one sentence; the refusal's key is its code after `q13.numbers.`.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, get_args

import numpy as np

from labs.contract import Calculator, Counts, ParamError, Params, Shown, Words, choice, order, text
from labs.q13_sampling.candidates import DTYPES, Candidates, bars, candidates, rows
from labs.q13_sampling.filters import BoundaryRule, Floats, Mask, filter_chain, keep_top_p, softmax
from labs.tools.sampler import temperature, top_p

KINDS = ("auto", "probabilities", "logits")
MOST_NUMBERS = 64
LARGEST = 1e6

_NEAR_ONE = (0.9, 1.1)
_ROUNDING = 1e-12
"""Typed numbers meet p by design: a cumulative mass this near below p has reached it."""
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_SENTENCES = {
    "empty": "Type at least one number, such as 8, 7, 6.",
    "many": "There are {count} numbers; the most is {most}.",
    "number": "{word} is not a number.",
    "finite": "{word} is not finite; every number must be.",
    "large": "{word} is too large; type numbers from -{largest} to {largest}.",
    "negative": "{word} is negative, and a probability cannot be; choose logits if these are scores.",
    "zero": "These probabilities are all zero, so there is nothing to draw from.",
}


@dataclass(frozen=True)
class ManualParams(Params):
    """All of it is view: typing never starts a run."""

    numbers: str = text("8, 7, 6, 3, 2", primary=True, view=True)
    numbers_are: str = choice("auto", KINDS, view=True)
    temperature: float = temperature(1.0, view=True)
    top_p: float = top_p(view=True)
    rule: str = choice("definition", get_args(BoundaryRule), view=True)
    order: str = order("temperature", "top_p", view=True)
    dtype: str = choice("float64", DTYPES, view=True)

    def check_together(self) -> None:
        """Raise ParamError for numbers that cannot be read as what they are said to be."""
        read_numbers(self.numbers, self.numbers_are)


class TypedCandidates(Candidates):
    """The candidates have texts like z₁ = 8 or p₁ = 0.65."""

    rules: Counts
    """How many each boundary rule would keep."""
    read_as: str
    """ "logits" or "probabilities"."""
    typed_sum: float | None
    """Of probabilities."""
    normalized: bool
    """They did not sum to 1 and were divided by their sum."""


class ManualResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[TypedCandidates]


class Manual(Calculator[ManualParams, ManualResult]):
    """What the settings make of typed logits or probabilities; no model takes part."""

    def view(self, params: ManualParams, result: ManualResult) -> TypedCandidates:
        """The typed numbers after the settings."""
        numbers = np.array(read_numbers(params.numbers, params.numbers_are))  # [V]
        read_as = kind_of(numbers.tolist(), params.numbers_are)
        are_shares = read_as == "probabilities"
        total = float(numbers.sum()) if are_shares else None
        alone = _shares(numbers) if are_shares else softmax(numbers)
        with np.errstate(divide="ignore"):
            scores = np.log(alone) if are_shares else numbers
        before = alone if params.temperature == 1 else filter_chain(scores, params.temperature).probabilities
        cut = alone if params.order.startswith("top_p") else before
        # a typed probability of 0 is no candidate
        possible = before > 0 if params.temperature == 0 else np.isfinite(scores)
        masks = {rule: _kept(params, rule, cut) & possible for rule in get_args(BoundaryRule)}
        kept = masks[params.rule]
        final = np.where(kept, before, 0.0)
        ids = np.lexsort((np.arange(len(numbers)), -scores)).astype(np.int32)
        symbol = "p" if are_shares else "z"
        texts = [f"{symbol}{str(index + 1).translate(_SUBSCRIPTS)} = {numbers[index]:.6g}" for index in ids]
        return {
            **candidates(ids, texts, alone=alone, before=before, kept=kept, final=final / final.sum()),
            "rules": {rule: int(mask.sum()) for rule, mask in masks.items()},
            "read_as": read_as,
            "typed_sum": total,
            "normalized": total is not None and abs(total - 1) > 1e-9,
        }

    def show(self, result: ManualResult, text: Words) -> Shown:
        """The numbers beside their probabilities without any setting; a row a number, the likeliest first."""
        view = result["view"]
        drawn = view, view["texts"], text("typed"), text
        return Shown({"candidates": bars(*drawn)}, rows(*drawn))


def kind_of(numbers: Sequence[float], numbers_are: str) -> str:
    """ "probabilities" or "logits"; "auto" takes numbers in 0 to 1 that add up to about 1 for probabilities.

    >>> kind_of([0.65, 0.12, 0.10, 0.08], "auto"), kind_of([8, 7, 6], "auto")
    ('probabilities', 'logits')
    """
    if numbers_are != "auto":
        return numbers_are
    like_shares = all(0 <= number <= 1 for number in numbers) and _NEAR_ONE[0] <= sum(numbers) <= _NEAR_ONE[1]
    return "probabilities" if like_shares else "logits"


def read_numbers(typed: str, numbers_are: str) -> list[float]:
    """The numbers in a text, in their order, read as one of KINDS. Raises ParamError with one sentence.

    Commas, semicolons, spaces, line breaks and their Chinese forms separate; brackets are ignored.
    """
    plain = unicodedata.normalize("NFKC", typed).replace("\N{MINUS SIGN}", "-")
    words = [word for word in re.split(r"[\s,;、()\[\]{}]+", plain) if word]
    if not words:
        raise _refusal("empty")
    if len(words) > MOST_NUMBERS:
        raise _refusal("many", count=len(words), most=MOST_NUMBERS)
    numbers = [_read(word) for word in words]
    if numbers_are == "probabilities":
        lowest = min(range(len(numbers)), key=numbers.__getitem__)
        if numbers[lowest] < 0:
            raise _refusal("negative", word=words[lowest])
        if not any(numbers):
            raise _refusal("zero")
    return numbers


def _read(word: str) -> float:
    shown = word if len(word) <= 20 else word[:20] + "…"
    if not _NUMBER.fullmatch(word):
        raise _refusal("number", word=shown)
    number = float(word)
    if word.lower().lstrip("+-")[0] in "ni":
        raise _refusal("finite", word=shown)
    if not math.isfinite(number) or abs(number) > LARGEST:
        raise _refusal("large", word=shown, largest=f"{LARGEST:,.0f}")
    return number


def _refusal(code: str, **values: Any) -> ParamError:
    return ParamError(code, "numbers", _SENTENCES[code].format(**values), key=f"q13.numbers.{code}", **values)


def _shares(numbers: Floats) -> Floats:
    """Typed probabilities over their sum; as they are where they sum to 1, so that ties stay ties."""
    scaled = numbers / numbers.max()
    return numbers if abs(numbers.sum() - 1) <= 1e-9 else scaled / scaled.sum()


def _kept(params: ManualParams, rule: BoundaryRule, probabilities: Floats) -> Mask:
    """What top-p leaves by a rule, in the dtype that was asked for; temperature 0 leaves it nothing to do."""
    if params.temperature == 0:
        return np.ones(probabilities.shape, dtype=bool)
    mass = params.top_p
    if rule == "definition" and mass < 1 and params.dtype == "float64":
        mass = max(mass - _ROUNDING, sys.float_info.min)
    return keep_top_p(probabilities.astype(params.dtype), mass, rule)
