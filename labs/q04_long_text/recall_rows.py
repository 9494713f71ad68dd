"""Rows with facts and questions, made on the device: filler, then every key is asked for. Imports torch.

A fact is one token that says "key k has value v". Which fact stands where, and what it says, is drawn anew
for every row: no two batches are alike, and a model that answers has looked the fact up.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labs.q04_long_text.recall_sizes import KEYS

VALUES = KEYS
FILLERS = 16
FACT = 3
ASK = FACT + KEYS * VALUES
VALUE = ASK + KEYS
FILLER = VALUE + VALUES
VOCABULARY = FILLER + FILLERS
"""Ids: three special ones, then facts, questions, values and filler."""


class Rows(NamedTuple):
    """B texts of T tokens with KEYS facts each, and K = KEYS questions behind each."""

    text: Tensor  # int64 [B, T]
    asks: Tensor  # int64 [B, K], every key once, in some order
    values: Tensor  # int64 [B, K], the ids of the right answers
    places: Tensor  # int64 [B, K], where in the text the fact stands that is asked for

    @property
    def ids(self) -> Tensor:
        """What a language model reads: [B, T + K]."""
        return torch.cat([self.text, self.asks], dim=1)

    @property
    def back(self) -> Tensor:
        """Tokens back from each question to its fact: [B, K]."""
        return self.text.shape[1] + torch.arange(KEYS, device=self.places.device) - self.places


def rows(generator: torch.Generator, count: int, length: int) -> Rows:
    """So many rows of `length` tokens of text, at least KEYS, on the generator's device."""

    def shuffled(size: int) -> Tensor:
        """KEYS of `size` numbers for each row, in random order: [B, K]."""
        drawn = torch.rand(count, size, generator=generator, device=generator.device)
        return drawn.argsort(dim=1)[:, :KEYS]

    device = generator.device
    text = torch.randint(FILLER, VOCABULARY, (count, length), generator=generator, device=device)
    places, values, order = shuffled(length), shuffled(VALUES), shuffled(KEYS)
    text.scatter_(1, places, FACT + torch.arange(KEYS, device=device) * VALUES + values)
    return Rows(text, ASK + order, VALUE + values.gather(1, order), places.gather(1, order))
