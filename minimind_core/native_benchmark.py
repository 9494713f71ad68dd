"""The model's speed on a CPU beside llama.cpp and ONNX Runtime, in turn and in one run.

llama.cpp's F32 has our numbers, so that its greedy tokens are compared with ours; F16 rounds the weights and
Q8_0 also what it multiplies, and they are compared by speed only. Ours is what `generate` runs. Peers that
are not installed have no row (`native_peers.missing`).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from minimind_core.benchmark import GREEDY, PROMPT_LENGTH, WARM_UP, Row, prompts_for
from minimind_core.decoding import cpu_step
from minimind_core.decoding.engine import Engine
from minimind_core.decoding.fastest import fastest_step
from minimind_core.decoding.generate import Generator
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.files.export_gguf import GgufDtype
from minimind_core.native_peers import LlamaCpp, OnnxRuntime, missing
from minimind_core.progress import OnProgress, unheard
from minimind_core.timing import time_interleaved

DECODED: list[tuple[int, GgufDtype]] = [
    *((1, dtype) for dtype in ("F32", "F16", "Q8_0")),
    *((8, dtype) for dtype in ("F32", "F16", "Q8_0")),
    *((32, dtype) for dtype in ("F16", "Q8_0")),
]
"""Rows of a batch, and what llama.cpp stores its weights as."""
SERVED: list[tuple[int, GgufDtype]] = [(rows, dtype) for rows in (8, 32) for dtype in ("F16", "Q8_0")]
"""Requests that the engine is given at once, beside a batch of as many in llama.cpp."""
EXACT = (None, "F32")
"""What has our numbers: ONNX Runtime and llama.cpp's F32."""
READ: list[GgufDtype] = ["F32", "F16", "Q8_0"]
NEW_TOKENS, READ_TOKENS = 120, 512

Timer = Callable[..., Any]
"""Times two calls in turn."""


def native_benchmark(
    loaded: LoadedModel, repeats: int = 5, on_progress: OnProgress = unheard
) -> Iterator[Row]:
    """A row for each peer and setting that can be had here. `on_progress`: see `benchmark`."""
    absent = missing()
    cpu_step.is_available()  # compiled now, where it has to be: `generate` would not wait for it
    measured: list[Callable[[Path, Timer], Row]] = []
    if "llama.cpp" not in absent:
        measured += [partial(_decoding, loaded, rows, dtype) for rows, dtype in DECODED]
        measured += [partial(_serving, loaded, rows, dtype) for rows, dtype in SERVED]
        measured += [partial(_reading, loaded, dtype) for dtype in READ]
    if "ONNX Runtime" not in absent:
        measured.append(partial(_reading, loaded, None))
    total, done = 2 * len(measured) * (WARM_UP + repeats), itertools.count(1)
    timer = partial(
        time_interleaved,
        device=torch.device("cpu"),
        warmup=WARM_UP,
        repeats=repeats,
        on_run=lambda: on_progress(next(done), total),
    )
    with tempfile.TemporaryDirectory() as name:
        for measure in measured:
            yield measure(Path(name), timer)


def _decoding(loaded: LoadedModel, batch_size: int, dtype: GgufDtype, folder: Path, timer: Timer) -> Row:
    """Greedy text from short prompts, which are read within the time, as `generate` writes it."""
    prompts = prompts_for(loaded.model, batch_size)
    capacity = PROMPT_LENGTH + NEW_TOKENS
    generator = Generator(loaded.model, batch_size, capacity, "fastest")
    with closing(LlamaCpp(loaded, dtype, folder, batch_size, capacity)) as peer:
        ours = partial(generator.generate, prompts, GREEDY, NEW_TOKENS, check_every=NEW_TOKENS)
        theirs = partial(peer.generate, prompts, NEW_TOKENS)
        equal = ours().new_ids == theirs() if dtype in EXACT else None
        times = timer([ours, theirs])
    return _row(f"decode, batch {batch_size}", f"llama.cpp {dtype}", times, batch_size * NEW_TOKENS, equal)


def _serving(loaded: LoadedModel, requests: int, dtype: GgufDtype, folder: Path, timer: Timer) -> Row:
    """The same texts as requests to the engine, all at once."""
    prompts = prompts_for(loaded.model, requests)
    capacity = PROMPT_LENGTH + NEW_TOKENS
    engine = Engine(loaded.model, num_slots=requests, max_length=capacity, stop_ids=())

    def ours() -> None:
        for prompt in prompts:
            engine.submit(prompt, GREEDY, max_new_tokens=NEW_TOKENS)
        engine.run_until_idle()

    with closing(LlamaCpp(loaded, dtype, folder, requests, capacity)) as peer:
        times = timer([ours, partial(peer.generate, prompts, NEW_TOKENS)])
    return _row(f"engine, {requests} requests", f"llama.cpp {dtype}", times, requests * NEW_TOKENS, None)


def _reading(loaded: LoadedModel, dtype: GgufDtype | None, folder: Path, timer: Timer) -> Row:
    """One prompt, as `generate` reads it, beside llama.cpp in that dtype; where it is None, ONNX Runtime.

    The latter computes the logits after each of its tokens, of which the others compute the last.
    """
    vocab_size, generator = loaded.config.vocab_size, torch.Generator().manual_seed(0)
    prompts = torch.randint(3, vocab_size, (1, READ_TOKENS), generator=generator).tolist()
    ours = partial(fastest_step(loaded.model, 1, READ_TOKENS).prefill, prompts)
    with ExitStack() as stack:
        if dtype is None:
            theirs = partial(OnnxRuntime(loaded, folder / "hf", READ_TOKENS).logits, prompts)
        else:
            peer = stack.enter_context(closing(LlamaCpp(loaded, dtype, folder, 1, READ_TOKENS)))
            theirs = partial(_read_afresh, peer, prompts)
        same = int(ours().argmax()) == int(theirs().reshape(-1, vocab_size)[-1].argmax())
        times = timer([ours, theirs])
    peer_name = f"llama.cpp {dtype}" if dtype else "ONNX Runtime"
    return _row(f"prompt of {READ_TOKENS}", peer_name, times, READ_TOKENS, same if dtype in EXACT else None)


def _read_afresh(peer: LlamaCpp, prompts: list[list[int]]) -> np.ndarray:
    peer.forget(0)
    return peer.logits(prompts, 0)


def _row(name: str, peer: str, times: Any, amount: int, equal: bool | None) -> Row:
    ours, theirs = (timing.rate(amount) for timing in times)
    return Row(name, ours, peer, theirs, equal)
