"""The engine's speed under many requests of mixed lengths, beside transformers' continuous batching.

Both get the same requests at the same moment, in turn, in one run; tokens a second count new tokens only, and
the reading of prompts is within the time. Everything else that is measured is in `benchmark.py`.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

from minimind_core.benchmark import GREEDY, Row, on_an_h200
from minimind_core.decoding.engine import Engine
from minimind_core.errors import MiniMindError
from minimind_core.files.peers import as_transformers
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard
from minimind_core.timing import time_interleaved

MOST_REPEATS = 3
"""A run of transformers takes most of a minute, and the one before that warms up longer."""
COMPARED = 16
"""Requests whose tokens are compared in fp32 where the model is not in fp32 itself."""


class Load(NamedTuple):
    """How many requests come at once, and how the engine meets them."""

    slots: int
    requests: int
    prompt: tuple[int, int]
    """Shortest and longest prompt, in tokens."""
    new_tokens: tuple[int, int]
    engine: dict[str, Any]
    budget_rate: float | None = None
    budget_ratio: float | None = None


LOADS = {
    "cuda": [
        Load(
            512,
            2048,
            (16, 128),
            (32, 384),
            {"kind": "compiled", "prefill_chunk": 64, "step_tokens": 512 + 8192, "read_every": 16},
            400_000,
            5.0,
        )
    ],
    "cpu": [
        Load(slots, 2 * slots, (8, 64), (8, 48), {"prefill_chunk": 64, "step_tokens": slots + 128})
        for slots in (8, 32)
    ],
}
MAX_LENGTH = 512

Generate = Callable[[], list[list[int]]]


def engine_benchmark(
    model: MiniMind, device: torch.device, repeats: int = 5, on_progress: OnProgress = unheard
) -> Iterator[Row]:
    """A row for each load of this device.

    `on_progress` is given the runs that were timed or warmed up, and all of them. Without transformers there
    is no peer. At most MOST_REPEATS runs are timed.
    """
    loads, repeats = LOADS.get(device.type, LOADS["cpu"]), min(repeats, MOST_REPEATS)
    total, done = len(loads) * 2 * (1 + repeats), itertools.count(1)
    for load in loads:
        yield _row(model, load, device, repeats, lambda: on_progress(next(done), total))


def _row(model: MiniMind, load: Load, device: torch.device, repeats: int, on_run: Callable[[], None]) -> Row:
    requests = _requests(model, load)
    ours = _engine(model, load, requests)
    name = f"engine, {load.slots} at once of {load.requests}"
    amount, budget = sum(new for _, new in requests), on_an_h200(load.budget_rate, device)
    with contextlib.ExitStack() as stack:
        calls = [ours]
        with contextlib.suppress(MiniMindError):  # transformers is not installed
            calls.append(stack.enter_context(_peer(model, load, requests)))
        for call in calls:  # warms up
            call()
            on_run()
        gc.collect()
        gc.freeze()  # as the service does: what was compiled by now is not looked through again
        timings = time_interleaved(calls, device, warmup=0, repeats=repeats, on_run=on_run)
        rates = [timing.rate(amount) for timing in timings]
        if len(calls) == 1:
            return Row(name, rates[0], budget_rate=budget)
        equal = _equal(model, load, requests, calls)
    return Row(name, rates[0], "transformers continuous batching", rates[1], equal, budget, load.budget_ratio)


def _equal(model: MiniMind, load: Load, requests: list[tuple[list[int], int]], calls: list[Generate]) -> bool:
    """Whether both choose the same greedy tokens, in fp32: else two right programs part at a near tie."""
    if model.dtype == torch.float32:
        return calls[0]() == calls[1]()
    precise, few = copy.deepcopy(model).float(), requests[:COMPARED]
    with _peer(precise, load, few) as peer:
        return _engine(precise, load, few)() == peer()


def _engine(model: MiniMind, load: Load, requests: list[tuple[list[int], int]]) -> Generate:
    engine = Engine(
        model,
        num_slots=load.slots,
        max_length=MAX_LENGTH,
        queue_limit=load.requests,
        stop_ids=(),
        **load.engine,
    )

    def generate() -> list[list[int]]:
        ids = [engine.submit(prompt, GREEDY, max_new_tokens=new) for prompt, new in requests]
        texts: dict[int, list[int]] = {id: [] for id in ids}
        while not engine.idle:  # events are taken as they come: half a million that are kept burden Python
            for event in engine.step():
                assert event.token is not None, event
                texts[event.request_id].append(event.token)
        return [texts[id] for id in ids]

    return generate


@contextlib.contextmanager
def _peer(model: MiniMind, load: Load, requests: list[tuple[list[int], int]]) -> Iterator[Generate]:
    """The same requests by transformers, as many at once, its manager kept running in between."""
    peer = as_transformers(model)
    from transformers import ContinuousBatchingConfig, GenerationConfig

    settings = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
    batching = ContinuousBatchingConfig(max_requests_per_batch=load.slots)
    with peer.continuous_batching_context_manager(
        generation_config=settings, continuous_batching_config=batching
    ) as manager:

        def generate() -> list[list[int]]:
            ids = [manager.add_request(prompt, max_new_tokens=new) for prompt, new in requests]
            texts: dict[str, list[int]] = {}
            while len(texts) < len(ids):
                result = manager.get_result(timeout=1)
                if result is not None and result.is_finished():
                    texts[result.request_id] = result.generated_tokens
                assert result is not None or manager.is_running(), "transformers stopped"
            return [texts[id] for id in ids]

        yield generate


def _requests(model: MiniMind, load: Load) -> list[tuple[list[int], int]]:
    """Prompts of random tokens and how many new ones each wants, lengths uniform in the load's ranges."""
    rng, vocab_size = random.Random(0), model.config.vocab_size
    return [
        (
            [model.config.bos_id, *rng.choices(range(3, vocab_size), k=rng.randint(*load.prompt) - 1)],
            rng.randint(*load.new_tokens),
        )
        for _ in range(load.requests)
    ]
