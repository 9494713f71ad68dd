"""A model that reads a growing text, and what it expects next. Imports torch.

Shapes: T tokens that a reader has not read yet, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind


class Reader:
    """A model that reads a growing text, and can forget its end."""

    def __init__(self, model: MiniMind, capacity: int) -> None:
        self.model, self.device, self.read = model, model.device, 0
        self.cache = StaticCache(model.config, 1, capacity, model.device, model.dtype)

    def logits(self, tokens: Sequence[int]) -> Tensor:
        """Reads what is new of all `tokens`; the logits after each new one, [T, V]."""
        ids = torch.tensor([tokens[self.read :]], device=self.device)
        positions = torch.arange(self.read, len(tokens), device=self.device)[None]  # [1, T]
        self.read = len(tokens)
        return self.model(ids, positions, cache=self.cache)[0].float()

    def forget(self, length: int) -> None:
        """Keep the first `length` tokens only."""
        self.cache.crop(length)
        self.read = min(self.read, length)


def probabilities(logits: Tensor, temperature: float) -> NDArray[np.float64]:
    """Of logits [T, V], at temperature 0 all on the largest, [T, V]."""
    if temperature == 0:
        return np.eye(logits.shape[-1])[logits.argmax(-1).cpu().numpy()]
    scores = (logits.double() / temperature).softmax(-1).cpu().numpy()
    return np.asarray(scores / scores.sum(-1, keepdims=True))
