"""Many texts at once on a model, every row with settings and a seed of its own. Judges nothing.

Rows go through the core's batched generation in chunks, so that a cancel is heard between them. torch is
imported when a text is written.

Shapes: B rows, T tokens, V vocabulary ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from labs.contract import OnProgress
from labs.tools.budgets import PerDevice
from minimind_core.decoding.sampling_params import SamplingParams

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

Ids = Sequence[int]

ROWS = PerDevice(cpu=32, mps=128, cuda=1024)
"""Rows of a chunk."""
PROMPT_TOKENS = PerDevice(cpu=1024, mps=8192, cuda=131_072)
"""Of all prompts of a chunk, padding included: they are read in one call that no cancel interrupts."""
SCORED_TOKENS = PerDevice(cpu=1024, mps=4096, cuda=16_384)
"""The same for whole texts, whose every token gets V logits."""
CHECK_EVERY = PerDevice(cpu=4, mps=8, cuda=16)
"""Steps between two looks at whether to go on."""


def write(
    loaded: LoadedModel,
    prompts: Sequence[Ids],
    settings: Sequence[SamplingParams],
    max_new_tokens: int,
    device: str,
    on_progress: OnProgress,
) -> Iterator[list[int]]:
    """Continue each prompt (ids) with the settings of its row; yields the new ids in the order of the rows.

    `on_progress` hears the share of all steps. Raises ConfigError for prompts that cannot be continued.
    """
    from minimind_core.decoding.generate import Generator

    every = CHECK_EVERY.on(device)
    for start, end in _chunks(prompts, PROMPT_TOKENS.on(device), ROWS.on(device)):
        begin, size = start / len(prompts), (end - start) / len(prompts)
        on_progress(begin)
        generator = Generator(loaded.model, end - start, max(map(len, prompts[start:end])) + max_new_tokens)
        yield from generator.generate(
            prompts[start:end],
            settings[start:end],
            max_new_tokens,
            stop_ids=(loaded.config.eos_id,),
            check_every=every,
            should_stop=_reporter(on_progress, begin, size, every / max_new_tokens),
        ).new_ids


def mean_log_probabilities(
    loaded: LoadedModel, prompts: Sequence[Ids], new_ids: Sequence[Ids], device: str, on_progress: OnProgress
) -> list[float]:
    """Of each row's new tokens under the model alone, at temperature 1 and without a filter, in nats."""
    import torch

    means: list[float] = []
    texts = [[*prompt, *ids] for prompt, ids in zip(prompts, new_ids, strict=True)]
    for start, end in _chunks(texts, SCORED_TOKENS.on(device), ROWS.on(device)):
        on_progress(start / len(texts))
        rows = [torch.tensor(text) for text in texts[start:end]]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)  # [B, T]
        with torch.inference_mode():
            logs = loaded.model(ids[:, :-1]).float().log_softmax(-1)  # [B, T - 1, V]
            chosen = logs.gather(-1, ids[:, 1:, None])[..., 0]  # [B, T - 1]
        for row, values in enumerate(chosen, start):
            means.append(float(values[len(prompts[row]) - 1 : len(texts[row]) - 1].mean()))
    return means


def _reporter(on_progress: OnProgress, begin: float, size: float, step: float) -> Callable[[], bool]:
    """What a chunk calls between its steps: says how far all chunks are, and never stops it by itself."""
    done = itertools.count(0, step)

    def report() -> bool:
        on_progress(begin + size * min(next(done), 1.0))
        return False

    return report


def _chunks(texts: Sequence[Ids], most_tokens: int, most_rows: int) -> Iterator[tuple[int, int]]:
    """Stretches of texts with at most so many tokens, padding included, and rows; one row at least."""
    start, longest = 0, 0
    for end, ids in enumerate(texts):
        longest = max(longest, len(ids))
        if end > start and (longest * (end - start + 1) > most_tokens or end - start == most_rows):
            yield start, end
            start, longest = end, len(ids)
    yield start, len(texts)
