"""Many texts at once on the real model, every row with settings and a seed of its own. Imports torch.

Rows go through the core's batched generation in chunks that a device takes in its stride, so that a
cancel is heard between them. Judges nothing.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from minimind_core.decoding.generate import Generator
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import LoadedModel

Prompts = Sequence[Sequence[int]]
ROWS = {"cpu": 32, "mps": 128, "cuda": 1024}
"""Rows of a chunk."""
PROMPT_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 131_072}
"""A chunk's prompts together, for they are read in one go that hears no cancel."""
SCORED_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 16_384}
"""The same for whole texts whose every token gets its logits, V numbers each."""
CHECK_EVERY = {"cpu": 4, "mps": 8, "cuda": 16}


def write(
    loaded: LoadedModel,
    prompts: Prompts,
    settings: Sequence[SamplingParams],
    max_new_tokens: int,
    device: str,
    told: Callable[[float], None],
) -> Iterator[tuple[int, list[int]]]:
    """Continue every prompt (ids) by itself; yields (row, new ids) in the order of the rows.

    `told(fraction)` is called all the while and may raise to stop. Raises ConfigError for prompts that
    cannot be continued.
    """
    for start, end in _chunks(prompts, device, PROMPT_TOKENS[device]):
        asked = _Steps(told, start / len(prompts), end / len(prompts), max_new_tokens, CHECK_EVERY[device])
        capacity = max(map(len, prompts[start:end])) + max_new_tokens
        written = Generator(loaded.model, end - start, capacity).generate(
            prompts[start:end],
            settings[start:end],
            max_new_tokens,
            stop_ids=(loaded.config.eos_id,),
            check_every=CHECK_EVERY[device],
            should_stop=asked,
        )
        yield from enumerate(written.new_ids, start)


@torch.inference_mode()
def mean_log_probabilities(
    loaded: LoadedModel, prompts: Prompts, new_ids: Prompts, device: str, told: Callable[[float], None]
) -> list[float]:
    """Of each row's new tokens under the model alone, at temperature 1 and without a filter, in nats."""
    means: list[float] = []
    whole = [[*prompt, *ids] for prompt, ids in zip(prompts, new_ids, strict=True)]
    for start, end in _chunks(whole, device, SCORED_TOKENS[device]):
        told(start / len(whole))
        longest = max(map(len, whole[start:end]))
        ids = torch.tensor(
            [[*row, *[0] * (longest - len(row))] for row in whole[start:end]], device=device
        )  # [B, T]
        logs = loaded.model(ids[:, :-1]).float().log_softmax(-1)  # [B, T - 1, V]
        chosen = logs.gather(-1, ids[:, 1:, None])[..., 0]  # [B, T - 1]
        for row, text in enumerate(whole[start:end], start):
            first = len(prompts[row]) - 1
            means.append(float(chosen[row - start, first : len(text) - 1].mean()))
    return means


class _Steps:
    """Called between the steps of one chunk; says how far all of them are, and never stops by itself."""

    def __init__(
        self, told: Callable[[float], None], begin: float, end: float, steps: int, every: int
    ) -> None:
        self._told, self._begin, self._end = told, begin, end
        self._share, self._done = every / steps, 0.0
        told(begin)

    def __call__(self) -> bool:
        self._told(self._begin + (self._end - self._begin) * min(self._done, 1.0))
        self._done += self._share
        return False


def _chunks(rows: Prompts, device: str, most: int) -> Iterator[tuple[int, int]]:
    """Stretches of rows that fit a chunk with at most so many tokens, padding included; one row at least."""
    start = 0
    while start < len(rows):
        end, longest = start + 1, len(rows[start])
        while end < len(rows) and end - start < ROWS[device]:
            longest = max(longest, len(rows[end]))
            if longest * (end - start + 1) > most:
                break
            end += 1
        yield start, end
        start = end
