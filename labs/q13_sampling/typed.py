"""Numbers that a person types, read with forgiving separators and refused with one sentence.

    read_numbers("8, 7, 6", "logits")          # [8.0, 7.0, 6.0]
    read_numbers("[0.65，0.12]", "probabilities")  # [0.65, 0.12]

A refusal's `key` is its `code` with the prefix `q13.numbers.`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from labs.contract.fields import ParamError

KINDS = ("auto", "probabilities", "logits")
_NEAR_ONE = (0.9, 1.1)
MOST_NUMBERS = 64
LARGEST = 1e6
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


def kind_of(numbers: Sequence[float], numbers_are: str) -> str:
    """ "probabilities" or "logits"; "auto" takes numbers in 0 to 1 that add up to about 1 for probabilities.

    >>> kind_of([0.65, 0.12, 0.10, 0.08], "auto"), kind_of([8, 7, 6], "auto")
    ('probabilities', 'logits')
    """
    if numbers_are != "auto":
        return numbers_are
    like_shares = all(0 <= number <= 1 for number in numbers) and _NEAR_ONE[0] <= sum(numbers) <= _NEAR_ONE[1]
    return "probabilities" if like_shares else "logits"


def read_numbers(text: str, numbers_are: str) -> list[float]:
    """The numbers in `text`, in their order, read as one of KINDS. Raises ParamError with one sentence.

    Commas, semicolons, spaces, line breaks and their Chinese forms separate; brackets are ignored.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-")
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
