"""Two ways to draft: a small model, and the text's own past. Imports torch.

Drafting from the past costs no model: what followed the newest tokens the last time is proposed again, as in
prompt lookup decoding (Saxena 2023).

Shapes: k drafted tokens, at most as many as asked for; V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labs.q08_speedup.text_readers import Reader, probabilities
from minimind_core.model.minimind import MiniMind

Drafted = tuple[list[int], NDArray[np.float64]]
"""k ids, and the laws [k, V] that they were drawn from."""
NEWEST = 3
"""Tokens that have to stand there again; fewer where so many never did."""


class Drafter(Protocol):
    """Proposes what may come next."""

    def draft(self, tokens: Sequence[int], length: int, random: np.random.Generator) -> Drafted:
        """At most `length` tokens after `tokens`."""

    def forget(self, length: int) -> None:
        """The text goes on from its first `length` tokens."""


class ModelDraft:
    """Draws each token from a small model."""

    def __init__(self, model: MiniMind, capacity: int, temperature: float) -> None:
        self.reader, self.temperature = Reader(model, capacity), temperature

    def draft(self, tokens: Sequence[int], length: int, random: np.random.Generator) -> Drafted:
        """All that were asked for."""
        drafted: list[int] = []
        laws = []
        for _ in range(length):
            logits = self.reader.logits([*tokens, *drafted])[-1:]
            law = probabilities(logits, self.temperature)[0]
            drafted.append(int(random.choice(len(law), p=law)))
            laws.append(law)
        return drafted, np.array(laws)

    def forget(self, length: int) -> None:
        self.reader.forget(length)


class PastDraft:
    """Repeats what followed the newest tokens before; it is sure of it, so its laws are all on one id."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def draft(self, tokens: Sequence[int], length: int, random: np.random.Generator) -> Drafted:
        """Nothing where the newest token never stood in the text before."""
        drafted = found_before(tokens, length)
        laws = np.zeros((len(drafted), self.vocab_size))
        laws[np.arange(len(drafted)), drafted] = 1
        return drafted, laws

    def forget(self, length: int) -> None:
        """It reads the text anew every time."""


def found_before(tokens: Sequence[int], length: int) -> list[int]:
    """What followed the newest tokens where they last stood before: `NEWEST` of them, or as many as did.

    >>> found_before([5, 6, 7, 8, 9, 5, 6, 7], 2), found_before([5, 6], 2)
    ([8, 9], [])
    """
    text = list(tokens)
    for size in range(min(NEWEST, len(text) - 1), 0, -1):
        for start in range(len(text) - size - 1, -1, -1):
            if text[start : start + size] == text[-size:]:
                return text[start + size : start + size + length]
    return []
