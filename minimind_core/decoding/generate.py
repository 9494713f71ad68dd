"""Text from a model, token ids in and out: naive, cached, compiled, by one kernel, or as is fastest here.

They give the same tokens; they differ in how much is computed again and in what is launched.
Knows no text and no tokenizer. Rows stop on their own; the batch ends with its last row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from minimind_core.decoding.decode import Decoding
from minimind_core.decoding.host_copy import as_lists
from minimind_core.decoding.request_noise import RequestNoise
from minimind_core.decoding.sampling import batch_settings, check_logits, next_tokens, seen_tokens
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import StepKind, Way, padded
from minimind_core.errors import ConfigError
from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard

Method = Literal["naive", "cached", "compiled", "persistent", "fastest"]
"""How the next token is computed, never which: everything again; from a cache; by a compiled step; for one
greedy request where the GPU and the model fit, by one kernel for many tokens (else as compiled); or what is
fastest on this device without a long wait before it (`fastest.py`)."""
MAX_NEW_TOKENS = 1_000_000
KINDS: dict[Method, StepKind | Literal["fastest"]] = {
    "cached": "eager",
    "compiled": "compiled",
    "persistent": "compiled",
    "fastest": "fastest",
}
"""The step of each method that has one."""
CAPACITY_STEP = 128
"""Compiled caches come in multiples of this, so that prompts of similar lengths share a graph."""


@dataclass(frozen=True)
class Generation:
    """What was generated for each prompt, up to and including a stop id, and how long it took."""

    new_ids: list[list[int]]
    prefill_seconds: float
    decode_seconds: float
    beyond_trained_length: bool
    """Positions past the trained length were used: it works, but quality is not what it was trained for."""


class Generator:
    """Continues batches of one size; keeps its cache and its compiled step between calls."""

    def __init__(
        self, model: MiniMind, batch_size: int = 1, capacity: int = 1024, method: Method = "cached"
    ) -> None:
        self.model, self.method = model.eval(), method
        if method in ("compiled", "persistent"):
            capacity = -(-capacity // CAPACITY_STEP) * CAPACITY_STEP
        self.batch_size, self.capacity = batch_size, capacity
        kind = KINDS.get(method)
        self.decoding = kind and Decoding(model, batch_size, capacity, kind, method == "persistent")

    @property
    def way(self) -> Way | Literal["naive", "one_kernel"]:
        """How the last call's tokens were made on this machine, whatever the method asked for."""
        return "naive" if self.decoding is None else self.decoding.way

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams | Sequence[SamplingParams],
        max_new_tokens: int,
        *,
        stop_ids: Sequence[int] = (),
        check_every: int = 32,
        should_stop: Callable[[], bool] = lambda: False,
        on_prefill: OnProgress = unheard,
        on_tokens: Callable[[list[list[int]]], None] = lambda new_ids: None,
    ) -> Generation:
        """Continue every prompt by at most `max_new_tokens`.

        prompts: token ids, at least one each. One `params` for all or one a prompt. The host looks at
        the tokens every `check_every` steps only, and on a GPU while it makes the next ones, so that the
        device never waits for it; a text that ends is noticed that much later. `on_prefill`
        is given how many tokens of the longest prompt are read and how many there are, and may raise; the
        naive method has no prefill of its own. `on_tokens` is given each row's new ids at every look.
        Raises ConfigError for empty prompts, ids out of range or lengths beyond the capacity, CheckpointError
        for weights that give no candidate.
        """
        requests = _requests(params, len(prompts))
        assert len(prompts) == self.batch_size, (len(prompts), self.batch_size)
        check_prompts(self.model.config, prompts, max_new_tokens, self.capacity)
        begin = time.perf_counter()
        new_ids: list[list[int]] = [[] for _ in prompts]
        chunks = (
            self._naive(prompts, requests, max_new_tokens)
            if self.decoding is None
            else self._cached(self.decoding, prompts, requests, max_new_tokens, check_every, on_prefill)
        )
        prefilled = None
        for chunk in as_lists(chunks, self._ahead):  # [B, n]
            prefilled = prefilled or time.perf_counter()
            known = [len(row) for row in new_ids]
            for row, ids in zip(new_ids, chunk, strict=True):
                if not row or row[-1] not in stop_ids:
                    row.extend(_until_stop(ids, stop_ids))
            on_tokens([row[count:] for row, count in zip(new_ids, known, strict=True)])
            if should_stop() or all(row[-1] in stop_ids for row in new_ids):
                break
        prefilled = prefilled or begin
        longest = max(len(prompt) + len(row) for prompt, row in zip(prompts, new_ids, strict=True))
        return Generation(
            new_ids,
            prefilled - begin,
            time.perf_counter() - prefilled,
            longest > self.model.config.max_length,
        )

    @property
    def _ahead(self) -> int:
        """Chunks launched before one is looked at: 1 where a launch is short."""
        programs = self.decoding is not None and self.decoding.step.kind != "eager"
        return int(programs and self.model.device.type == "cuda")

    def _cached(
        self,
        decoding: Decoding,
        prompts: Sequence[Sequence[int]],
        requests: Sequence[SamplingParams],
        count: int,
        check_every: int,
        on_prefill: OnProgress,
    ) -> Iterator[Tensor]:
        decoding.start(prompts, requests, on_prefill)
        position = decoding.step.positions.clone()
        yield decoding.new_ids(position, 1)
        done = 1
        while done < count:
            steps = min(check_every, count - done)
            decoding.advance(steps)
            yield decoding.new_ids(position + done, steps)
            done += steps

    @torch.inference_mode()
    def _naive(
        self, prompts: Sequence[Sequence[int]], requests: Sequence[SamplingParams], count: int
    ) -> Iterator[Tensor]:
        """Every step reads everything again; the yardstick that the fast ways must equal."""
        device = self.model.device
        noise = RequestNoise([request.seed for request in requests], self.model.config.vocab_size, device)
        settings = batch_settings(requests, device)
        rows = [list(prompt) for prompt in prompts]
        for _ in range(count):
            ids = padded(rows, device)  # [B, T]
            last = torch.tensor([len(row) - 1 for row in rows], device=device)
            logits = self.model(ids.clamp(min=0))[torch.arange(len(rows), device=device), last]  # [B, V]
            check_logits(logits)
            seen = seen_tokens(ids, self.model.config.vocab_size)
            chosen = next_tokens(logits, noise.draw(), seen_mask=seen, **settings)
            for row, token in zip(rows, chosen.tolist(), strict=True):
                row.append(token)
            yield chosen[:, None]


def generate(
    model: MiniMind,
    prompts: Sequence[Sequence[int]],
    params: SamplingParams | Sequence[SamplingParams],
    max_new_tokens: int,
    *,
    method: Method = "cached",
    stop_ids: Sequence[int] = (),
) -> Generation:
    """Continue prompts once; `Generator` is the same for many batches. See `Generator.generate`."""
    check_prompts(model.config, prompts, max_new_tokens)
    capacity = max(map(len, prompts)) + max_new_tokens
    generator = Generator(model, len(prompts), capacity, method)
    return generator.generate(prompts, params, max_new_tokens, stop_ids=stop_ids)


def check_prompts(
    config: ModelConfig, prompts: Sequence[Sequence[int]], max_new_tokens: int, capacity: int | None = None
) -> None:
    """Raise ConfigError, with one sentence, for what cannot be generated from."""
    if max_new_tokens < 1:
        raise ConfigError("Ask for at least one token.")
    if max_new_tokens > MAX_NEW_TOKENS:
        raise ConfigError(f"Ask for at most {MAX_NEW_TOKENS:,} tokens.")
    if not prompts or not all(len(prompt) for prompt in prompts):
        raise ConfigError("The prompt needs at least one token (BOS will do).")
    if any(not 0 <= token < config.vocab_size for prompt in prompts for token in prompt):
        raise ConfigError(
            f"Token id out of range 0-{config.vocab_size - 1}; "
            "use the tokenizer that belongs to these weights.",
            key="generate.id",
            last=config.vocab_size - 1,
        )
    total = max(map(len, prompts)) + max_new_tokens
    if config.position == "learned" and total > config.max_length:
        raise ConfigError(
            f"This model has {config.max_length} learned positions (0-{config.max_length - 1}); "
            f"prompt and new tokens together are {total}: shorten them.",
            key="generate.learned",
            positions=config.max_length,
            total=total,
        )
    if capacity is not None and total > capacity:
        raise ConfigError(f"Prompt and new tokens together are {total}; this cache holds {capacity}.")


def _requests(params: SamplingParams | Sequence[SamplingParams], count: int) -> list[SamplingParams]:
    requests = [params] * count if isinstance(params, SamplingParams) else list(params)
    assert len(requests) == count, (len(requests), count)
    return requests


def _until_stop(ids: list[int], stop_ids: Sequence[int]) -> list[int]:
    """The ids up to the first that ends a text, with it."""
    ends = [ids.index(stop) + 1 for stop in stop_ids if stop in ids]
    return ids[: min(ends)] if ends else ids
