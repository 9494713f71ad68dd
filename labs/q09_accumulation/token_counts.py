"""Valid tokens of each micro-batch of a window, as somebody types them. No torch."""

from __future__ import annotations

import re

from labs.contract.fields import ParamError
from minimind_core.errors import shortened

MOST_STEPS, MOST_TOKENS = 16, 512


def read_counts(typed: str) -> list[int]:
    """Valid tokens by micro-batch. Raises ParamError with one sentence.

    >>> read_counts("500, 5")
    [500, 5]
    """
    words = [word for word in re.split(r"[\s,，、;；]+", typed) if word]
    if not words:
        raise ParamError(
            "together",
            "tokens",
            "Accumulation steps must be at least 1: type the valid tokens of each, such as 500, 5.",
            key="q09.tokens.steps",
        )
    if len(words) > MOST_STEPS:
        raise ParamError(
            "together",
            "tokens",
            f"There are {len(words)} micro-batches; the most is {MOST_STEPS}.",
            key="q09.tokens.many",
            count=len(words),
            most=MOST_STEPS,
        )
    for word in words:
        if not (re.fullmatch(r"[0-9]{1,4}", word) and int(word) <= MOST_TOKENS):
            shown = shortened(word, 24)
            raise ParamError(
                "together",
                "tokens",
                f"{shown} is not a number of valid tokens; type whole numbers from 0 to "
                f"{MOST_TOKENS}, such as 500, 5.",
                key="q09.tokens.number",
                word=shown,
                most=MOST_TOKENS,
            )
    counts = [int(word) for word in words]
    if not any(counts):
        raise ParamError(
            "together",
            "tokens",
            "No valid token in the whole window; the update is skipped.",
            key="q09.tokens.empty",
        )
    return counts
