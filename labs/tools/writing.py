"""Texts on a model: one told token by token, or many at once, each with settings and a seed of its own.

Rows go through the core's batched generation in chunks, and long prompts are read in chunks, so that a cancel
is heard between them. Judges nothing. torch is imported when a text is written.

Shapes: B rows, T tokens, V vocabulary ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from labs.contract import Context, OnProgress
from labs.tools.budgets import PerDevice
from minimind_core.decoding.sampling_params import SamplingParams

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.decoding.stream import StreamedToken
    from minimind_core.files.checkpoint import LoadedModel

Ids = Sequence[int]

ROWS = PerDevice(cpu=32, mps=128, cuda=1024)
"""Rows of a chunk."""
PROMPT_TOKENS = PerDevice(cpu=1024, mps=8192, cuda=131_072)
"""Of all prompts of a chunk, padding included; one prompt may be longer."""
SCORED_TOKENS = PerDevice(cpu=1024, mps=4096, cuda=16_384)
"""The same for whole texts, whose every token gets V logits."""
CHECK_EVERY = PerDevice(cpu=4, mps=8, cuda=16)
"""Steps between two looks at whether to go on."""
READ_SECONDS = PerDevice(cpu=(5e-4, 1.6e-7), cuda=(5e-6, 2e-10))
"""To read a prompt of n tokens takes about a n + b n^2 seconds, for the layers and for attention."""
READ_SHARE = 1 / 16
"""What a token that is read takes of the time of one that is written."""


def prompt_seconds(prompt: str, device: str) -> float:
    """Estimates how long a prompt takes to read, at most: a token has one byte at least."""
    per_token, per_pair = READ_SECONDS.on(device)
    most_tokens = 1 + len(prompt.encode(errors="replace"))
    return most_tokens * (per_token + per_pair * most_tokens)


def write_one(
    loaded: LoadedModel,
    prompt: Ids,
    settings: SamplingParams,
    max_new_tokens: int,
    ctx: Context,
    num_alternatives: int = 0,
    on_way: Callable[[str], object] = lambda way: None,
) -> Iterator[StreamedToken]:
    """Continue one prompt (ids) and tell of every token at once; `ctx` hears what is done and how far it is.

    `on_way` hears how its tokens are made on this device (`minimind_core.decoding.step.Way`). Raises
    ConfigError for a prompt that cannot be continued.
    """
    from minimind_core.decoding.stream import stream

    to_read = len(prompt) * READ_SHARE
    share = to_read / (to_read + max_new_tokens)
    reading = ctx.part(0.0, share, "prompt")
    tokens = stream(
        loaded.model,
        prompt,
        settings,
        max_new_tokens,
        stop_ids=(loaded.config.eos_id,),
        num_alternatives=num_alternatives,
        on_prefill=lambda done, total: reading(done / total),
        on_way=on_way,
    )
    writing: OnProgress | None = None
    for count, token in enumerate(tokens, 1):
        writing = writing or ctx.part(share, 1.0, "writing")
        yield token
        writing(count / max_new_tokens)


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
            on_prefill=lambda _done, _total, begin=begin: on_progress(begin),  # type: ignore[misc]
        ).new_ids


def mean_log_probabilities(
    loaded: LoadedModel, prompts: Sequence[Ids], new_ids: Sequence[Ids], device: str, on_progress: OnProgress
) -> list[float]:
    """Of each row's new tokens under the model alone, at temperature 1 and without a filter, in nats."""
    import torch

    means: list[float] = []
    texts = [[*prompt, *ids] for prompt, ids in zip(prompts, new_ids, strict=True)]
    for start, end in _chunks(texts, SCORED_TOKENS.on(device), ROWS.on(device)):
        rows = [torch.tensor(text) for text in texts[start:end]]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)  # [B, T]
        begin, size = start / len(texts), (end - start) / len(texts)
        chosen = _log_probabilities(loaded, ids, _shifted(on_progress, begin, size))  # [B, T - 1]
        for row, values in enumerate(chosen, start):
            means.append(float(values[len(prompts[row]) - 1 : len(texts[row]) - 1].mean()))
    return means


def _log_probabilities(loaded: LoadedModel, ids: Tensor, on_progress: OnProgress) -> Tensor:
    """Of every token of ids [B, T] but the first, given those before it; [B, T - 1]."""
    import torch

    from minimind_core.decoding.prefill import read_in_chunks
    from minimind_core.model.kv_cache import StaticCache

    model, (rows, length) = loaded.model, (ids.shape[0], ids.shape[1] - 1)
    cache = StaticCache(loaded.config, rows, length, ids.device, model.dtype)
    parts = []
    with torch.inference_mode():
        for start, hidden in read_in_chunks(
            model, ids[:, :-1], [length] * rows, cache, lambda done, total: on_progress(done / total)
        ):
            logs = model.head(hidden).float().log_softmax(-1)  # [B, t, V]
            following = ids[:, start + 1 : start + 1 + logs.shape[1], None]
            parts.append(logs.gather(-1, following)[..., 0])
        return torch.cat(parts, dim=1)


def _shifted(on_progress: OnProgress, begin: float, size: float) -> OnProgress:
    return lambda share: on_progress(begin + size * share)


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
