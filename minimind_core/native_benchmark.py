"""The model's speed on a CPU beside llama.cpp and ONNX Runtime, in turn and in one run.

llama.cpp's F32 has our numbers, so that its greedy tokens are compared with ours; Q8_0 rounds what it
multiplies, and is compared by speed only. Peers that are not installed have no row (`native_peers.missing`).
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

from minimind_core.benchmark import GREEDY, PROMPT_LENGTH, WARM_UP, Row, prompts_for
from minimind_core.decoding.generate import Generator
from minimind_core.decoding.step import Step
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.files.export_gguf import GgufDtype
from minimind_core.native_peers import LlamaCpp, OnnxRuntime, missing
from minimind_core.progress import OnProgress, unheard
from minimind_core.timing import time_interleaved

DECODED: list[tuple[int, GgufDtype]] = [(1, "F32"), (1, "Q8_0"), (8, "F32"), (8, "Q8_0")]
"""Rows of a batch, and what llama.cpp stores its weights as."""
NEW_TOKENS, READ_TOKENS = 120, 512


def native_benchmark(
    loaded: LoadedModel, repeats: int = 5, on_progress: OnProgress = unheard
) -> Iterator[Row]:
    """A row for each peer and setting that can be had here. `on_progress`: see `benchmark`."""
    absent = missing()
    decoded = [] if "llama.cpp" in absent else DECODED
    rows = len(decoded) + (not absent.get("ONNX Runtime"))
    total, done = 2 * rows * (WARM_UP + repeats), itertools.count(1)
    timer = partial(
        time_interleaved,
        device=torch.device("cpu"),
        warmup=WARM_UP,
        repeats=repeats,
        on_run=lambda: on_progress(next(done), total),
    )
    with tempfile.TemporaryDirectory() as name:
        for batch_size, dtype in decoded:
            yield _decoding(loaded, batch_size, dtype, Path(name), timer)
        if "ONNX Runtime" not in absent:
            yield _reading(loaded, Path(name) / "hf", timer)


def _decoding(
    loaded: LoadedModel, batch_size: int, dtype: GgufDtype, folder: Path, timer: Callable[..., Any]
) -> Row:
    """Greedy text from short prompts, which are read within the time."""
    prompts = prompts_for(loaded.model, batch_size)
    capacity = PROMPT_LENGTH + NEW_TOKENS
    generator = Generator(loaded.model, batch_size, capacity, "compiled")
    with closing(LlamaCpp(loaded, dtype, folder, batch_size, capacity)) as peer:
        ours = partial(generator.generate, prompts, GREEDY, NEW_TOKENS, check_every=NEW_TOKENS)
        theirs = partial(peer.generate, prompts, NEW_TOKENS)
        equal = ours().new_ids == theirs() if dtype == "F32" else None
        times = timer([ours, theirs])
    return _row(f"decode, batch {batch_size}", f"llama.cpp {dtype}", times, batch_size * NEW_TOKENS, equal)


def _reading(loaded: LoadedModel, folder: Path, timer: Callable[..., Any]) -> Row:
    """One prompt; the peer computes the logits after each of its tokens, of which we compute the last."""
    ids = torch.randint(
        3, loaded.config.vocab_size, (1, READ_TOKENS), generator=torch.Generator().manual_seed(0)
    )
    prompts = ids.tolist()
    step, peer = Step(loaded.model, 1, READ_TOKENS), OnnxRuntime(loaded, folder, READ_TOKENS)
    equal = int(step.prefill(prompts).argmax()) == int(peer.logits(prompts)[0, -1].argmax())
    times = timer([partial(step.prefill, prompts), partial(peer.logits, prompts)])
    return _row(f"prompt of {READ_TOKENS}", "ONNX Runtime", times, READ_TOKENS, equal)


def _row(name: str, peer: str, times: Any, amount: int, equal: bool | None) -> Row:
    ours, theirs = (timing.rate(amount) for timing in times)
    return Row(name, ours, peer, theirs, equal)
