"""Speculative decoding with two models: drafting, a verifying pass, and what passes cost. Imports torch.

Shapes: T tokens that a reader has not read yet, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labs.machine.probes import FullCacheStep
from labs.q08_speedup.draft_rules import accept
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

_FILLING = 0.01


class Reader:
    """A model that reads a growing text, and can forget its end."""

    def __init__(self, model: MiniMind, capacity: int) -> None:
        weight = model.model.embed_tokens.weight
        self.model, self.device, self.read = model, weight.device, 0
        self.cache = StaticCache(model.config, 1, capacity, weight.device, weight.dtype)

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


@torch.inference_mode()
def rounds(
    target: MiniMind,
    draft: MiniMind,
    prompt: Sequence[int],
    end: int,
    draft_length: int,
    count: int,
    temperature: float,
    seed: int,
) -> Iterator[list[int]]:
    """The tokens that each of `count` rounds emits. After the token `end` a new text begins."""
    random = np.random.default_rng(seed)
    capacity = len(prompt) + (count + 1) * (draft_length + 1)
    large, small = Reader(target, capacity), Reader(draft, capacity)
    tokens = list(prompt)
    for _ in range(count):
        drafted: list[int] = []
        guesses = []
        for _ in range(draft_length):
            guess = probabilities(small.logits(tokens + drafted)[-1:], temperature)[0]
            drafted.append(int(random.choice(len(guess), p=guess)))
            guesses.append(guess)
        logits = large.logits(tokens + drafted)[-draft_length - 1 :]  # [k + 1, V]
        emitted = accept(probabilities(logits, temperature), np.array(guesses), drafted, random)
        yield emitted
        kept = len(tokens) + len(emitted) - 1  # the last one was read by neither
        tokens += emitted
        if end in emitted:
            tokens, kept = list(prompt), 0
        large.forget(kept)
        small.forget(kept)


def passes(
    target: MiniMind, draft: MiniMind, draft_length: int, tokens: int
) -> dict[str, Callable[[], object]]:
    """One plain step, one step of the draft, and the verifying pass, over full caches; on CUDA as graphs."""
    return {
        "plain": FullCacheStep(target, 1, tokens, "graph").run,
        "draft": FullCacheStep(draft, 1, tokens, "graph").run,
        "verify": _verifying_pass(target, draft_length + 1, tokens),
    }


@torch.inference_mode()
def _verifying_pass(model: MiniMind, width: int, tokens: int) -> Callable[[], object]:
    """A pass over the last `width` tokens of a full cache."""
    weight = model.model.embed_tokens.weight
    cache = StaticCache(model.config, 1, tokens, weight.device, weight.dtype)
    cache.fill(_FILLING)
    ids = torch.ones(1, width, dtype=torch.int64, device=weight.device)
    positions = torch.arange(tokens - width, tokens, device=weight.device)[None]  # [1, T]

    @torch.inference_mode()
    def run() -> Tensor:
        return model(ids, positions, cache=cache).argmax(-1)

    return CudaGraph(run, (cache.positions,)) if weight.device.type == "cuda" else run
