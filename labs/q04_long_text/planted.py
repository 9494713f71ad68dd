"""A text with a planted key and a question for it, and what an answer costs the model. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from labs.q04_long_text.readings import local_mask
from labs.tools.token_losses import token_losses
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.model.minimind import MiniMind

FACT = "The pass key is {key}. Remember it: {key} is the pass key.\n"
QUESTION = "\nWhat is the pass key? The pass key is"
KEYS = ("71482", "30965")
"""Each is planted and asked for once, and planted once where the other one is asked for."""


@dataclass(frozen=True)
class Planted:
    """Texts with `filler` ids between fact and question, and before the fact where that is asked for."""

    loaded: LoadedModel
    filler: list[int]

    def ids(self, key: str, distance: int, before: int = 0) -> list[int]:
        """The text up to the answer: `before` tokens, the fact, `distance` tokens, the question."""
        encode = self.loaded.tokenizer.encode
        opening = [self.loaded.config.bos_id, *self.filler[:before]]
        between = self.filler[before : before + distance]
        return [*opening, *encode(FACT.format(key=key)), *between, *encode(QUESTION)]

    def back(self, distance: int, before: int = 0) -> int:
        """Tokens from the question's last one back to the last one that tells the keys apart."""
        one, other = (self.ids(key, distance, before) for key in KEYS)
        differ = [place for place, pair in enumerate(zip(one, other, strict=True)) if len(set(pair)) > 1]
        return len(one) - 1 - differ[-1]

    def nats(
        self, model: MiniMind, distance: int, window: int | None, check: Callable[[], None], before: int = 0
    ) -> tuple[float, float]:
        """Nats of a whole answer with its own key planted, and with the other one; the mean over the keys.

        `window` limits what a token looks at. `check` may raise.
        """
        own: list[float] = []
        other: list[float] = []
        for planted in KEYS:
            text = self.ids(planted, distance, before)
            for asked in KEYS:
                answer = self.loaded.tokenizer.encode(f" {asked}")
                row = torch.tensor([[*text, *answer]])
                inputs = {}
                if window is not None:
                    device = model.device
                    inputs["mask"] = local_mask(row.shape[1] - 1, window, 0, device)
                losses = token_losses(model, row, check, **inputs)[0, -len(answer) :]
                (own if asked == planted else other).append(float(losses.sum(dtype=np.float64)))
        return float(np.mean(own)), float(np.mean(other))
