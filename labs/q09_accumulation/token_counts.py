"""Valid tokens of each micro-batch of a window, as somebody types them. No torch."""

from __future__ import annotations

import re

from labs.contract.fields import ParamError
from minimind_core.errors import shortened

MOST_STEPS, MOST_TOKENS = 16, 512
_SENTENCES = {
    "steps": "Accumulation steps must be at least 1: type the valid tokens of each, such as 500, 5.",
    "many": "There are {count} micro-batches; the most is {most}.",
    "number": "{word} is not a number of valid tokens; type whole numbers from 0 to {most}, such as 500, 5.",
    "empty": "No valid token in the whole window; the update is skipped.",
}


def read_counts(typed: str) -> list[int]:
    """Valid tokens by micro-batch. Raises ParamError with one sentence.

    >>> read_counts("500, 5")
    [500, 5]
    """
    words = [word for word in re.split(r"[\s,，、;；]+", typed) if word]
    if not words:
        _refuse("steps")
    if len(words) > MOST_STEPS:
        _refuse("many", count=len(words), most=MOST_STEPS)
    for word in words:
        if not (re.fullmatch(r"[0-9]{1,4}", word) and int(word) <= MOST_TOKENS):
            _refuse("number", word=shortened(word, 24), most=MOST_TOKENS)
    counts = [int(word) for word in words]
    if not any(counts):
        _refuse("empty")
    return counts


def _refuse(key: str, **values: object) -> None:
    sentence = _SENTENCES[key].format(**values)
    raise ParamError("together", "tokens", sentence, key=f"q09.tokens.{key}", **values)
