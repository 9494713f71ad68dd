"""Our own spelling of sampling mistakes that circulate, kept to be seen failing. Nothing else calls them.

Run them on the CPU only: on a GPU the wrong index is a device assert, which ends the process.

Shapes: B rows, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


def circulating_function(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Probabilities [V] as they should be; of logits [B, V] an IndexError, or rows wiped out."""
    probabilities = torch.softmax(logits / temperature, dim=-1)
    ordered, ids = torch.sort(probabilities, descending=True)
    drop = ordered.cumsum(dim=-1) > top_p
    drop[..., 1:] = drop[..., :-1].clone()
    drop[..., 0] = False
    probabilities[ids[drop]] = 0.0  # flat ids, used on the first dimension
    return probabilities / probabilities.sum()


def normalized_over_batch(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Cut along the right dimension, then divided by one sum for the whole batch [B, V]."""
    probabilities = torch.softmax(logits / temperature, dim=-1)
    ordered, ids = torch.sort(probabilities, descending=True)
    ordered[ordered.cumsum(dim=-1) - ordered >= top_p] = 0.0
    kept = torch.zeros_like(probabilities).scatter(-1, ids, ordered)
    return kept / kept.sum()  # no dim=-1, keepdim=True


def divided_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits [*, V] with the seen ones divided, whatever their sign: a negative one rises."""
    return torch.where(seen, logits / penalty, logits)


@dataclass(frozen=True)
class Attempt:
    """What became of a call: its value, or the error that it raised."""

    value: Tensor | None
    outcome: str
    """"numbers", "nan" (some are), or the name of the exception."""
    said: str = ""
    """The exception's own words, to the first line break."""


def attempt(call: Callable[..., Tensor], *arguments: Any) -> Attempt:
    """Call it for real. Only what these mistakes raise is caught; anything else is our own error."""
    try:
        value = call(*arguments)
    except (IndexError, RuntimeError) as error:
        return Attempt(None, type(error).__name__, str(error).partition("\n")[0])
    return Attempt(value, "nan" if bool(value.isnan().any()) else "numbers")
