"""Speculative decoding: rounds of drafting and verifying, and what their passes cost. Imports torch.

Shapes: T tokens, k drafted ones, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from labs.machine.probes import FullCacheStep
from labs.q08_speedup.draft_rules import Cost, accept
from labs.q08_speedup.drafters import Drafter, found_before
from labs.q08_speedup.text_readers import Reader, probabilities
from labs.tools.interleaved import interleaved, ratios
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.model.cost import num_parameters
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

_FILLING = 0.01


class Round(NamedTuple):
    """How many tokens were drafted, and which were emitted."""

    drafted: int
    emitted: list[int]


def room(prompt: Sequence[int], draft_length: int, count: int) -> int:
    """Slots of a cache that so many rounds can fill at most."""
    return len(prompt) + (count + 1) * (draft_length + 1)


@torch.inference_mode()
def rounds(
    target: MiniMind,
    drafter: Drafter,
    prompt: Sequence[int],
    end: int,
    draft_length: int,
    count: int,
    temperature: float,
    seed: int,
) -> Iterator[Round]:
    """`count` rounds, each after the tokens of the one before. After the token `end` a new text begins."""
    random = np.random.default_rng(seed)
    large, tokens = Reader(target, room(prompt, draft_length, count)), list(prompt)
    for _ in range(count):
        drafted, laws = drafter.draft(tokens, draft_length, random)
        logits = large.logits(tokens + drafted)[-len(drafted) - 1 :]  # [k + 1, V]
        emitted = accept(probabilities(logits, temperature), laws, drafted, random)
        yield Round(len(drafted), emitted)
        kept = len(tokens) + len(emitted) - 1  # the last one was read by neither
        tokens += emitted
        if end in emitted:
            tokens, kept = list(prompt), 0
        large.forget(kept)
        drafter.forget(kept)


def passes(
    target: MiniMind, draft: MiniMind | None, draft_length: int, tokens: int
) -> dict[str, Callable[[], object]]:
    """One plain step, one of the draft, and the verifying pass, over full caches; on CUDA as graphs.

    Without a draft model its part is a search of a text in which nothing stands twice, the longest there is.
    """
    unlike = list(range(tokens))
    return {
        "plain": FullCacheStep(target, 1, tokens, "graph").run,
        "draft": FullCacheStep(draft, 1, tokens, "graph").run
        if draft
        else partial(found_before, unlike, draft_length),
        "verify": _verifying_pass(target, draft_length + 1, tokens),
    }


def step_costs(
    target: MiniMind,
    drafts: Mapping[str, MiniMind],
    verified: int,
    tokens: int,
    seconds: float,
    on_progress: Callable[[float], None],
) -> tuple[dict[str, Cost], float]:
    """What a step of each draft costs, and the verifying pass over `verified` drafts, in plain steps.

    All over full caches of `tokens`, timed in turn with the target's.
    """
    timed = passes(target, None, verified, tokens)
    ways = {name: timed[name] for name in ("plain", "verify")}
    ways |= {name: FullCacheStep(draft, 1, tokens, "graph").run for name, draft in drafts.items()}
    times = interleaved(ways, target.device.type, seconds, on_progress)
    costs: dict[str, Cost] = {}
    for name, draft in drafts.items():
        ratio = ratios(times[name], times["plain"])
        costs[name] = {
            "median": ratio["median"],
            "low": ratio["low"],
            "high": ratio["high"],
            "weights": num_parameters(draft.config) / num_parameters(target.config),
            "layers": draft.config.num_layers / target.config.num_layers,
        }
    return costs, ratios(times["verify"], times["plain"])["median"]


@torch.inference_mode()
def _verifying_pass(model: MiniMind, width: int, tokens: int) -> Callable[[], object]:
    """A pass over the last `width` tokens of a full cache."""
    cache = StaticCache(model.config, 1, tokens, model.device, model.dtype)
    cache.fill(_FILLING)
    ids = torch.ones(1, width, dtype=torch.int64, device=model.device)
    positions = torch.arange(tokens - width, tokens, device=model.device)[None]  # [1, T]

    @torch.inference_mode()
    def run() -> Tensor:
        return model(ids, positions, cache=cache).argmax(-1)

    return CudaGraph(run, (cache.positions,)) if model.device.type == "cuda" else run
