"""Decoding in batches: what a step costs, and whether a row's tokens depend on its company. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from labs.machine.probes import FullCacheStep
from labs.tools.interleaved import interleaved
from minimind_core.decoding.decode import Decoding
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.model.minimind import MiniMind

OnProgress = Callable[[float], None]


def step_times(
    model: MiniMind, batches: Sequence[int], tokens: int, device: str, seconds: float, on_progress: OnProgress
) -> dict[int, list[float]]:
    """Seconds of a step over a full cache by batch, one number a round; on CUDA replayed as a graph."""
    steps = {}
    for batch in batches:
        on_progress(0.0)
        steps[str(batch)] = FullCacheStep(model, batch, tokens, "graph").run
    times = interleaved(steps, device, seconds, on_progress)
    return {int(batch): rounds for batch, rounds in times.items()}


@torch.inference_mode()
def greedy(
    model: MiniMind, prompts: Sequence[Sequence[int]], batch: int, steps: int, on_progress: OnProgress
) -> list[list[int]]:
    """The tokens that follow each prompt at temperature 0, decoded in batches of that size."""
    written = []
    for first in range(0, len(prompts), batch):
        group = prompts[first : first + batch]
        decoding = Decoding(model, len(group), max(map(len, group)) + steps)
        decoding.start(group, [SamplingParams(temperature=0)] * len(group))
        for step in range(steps - 1):
            on_progress((first + len(group) * step / steps) / len(prompts))
            decoding.advance(1)
        ends = torch.tensor([[len(prompt)] for prompt in group], device=decoding.device)  # [B, 1]
        written += decoding.new_ids(ends, steps).tolist()
    return written


def first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    """The place of the first token that differs, from 0; None where all are equal.

    >>> first_difference([1, 2, 3], [1, 5, 3])
    1
    """
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)
