"""The passes that stand under the roofline: decode steps of several batches, and prompts. Imports torch.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from labs.machine.probes import FullCacheStep
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.model.cost import attention_flops_per_pair, decode_flops, forward_flops, kv_cache_bytes
from minimind_core.model.minimind import MiniMind


class TimedPass(NamedTuple):
    """What is run, what it reads, and what it does: operations, and the least bytes."""

    kind: str
    tokens: int
    operations: float
    num_bytes: float
    run: Callable[[], object]


def passes_of(
    model: MiniMind, context: int, batches: Sequence[int], short: int, check: Callable[[], object]
) -> dict[str, TimedPass]:
    """A decode step for each of `batches` over full caches of `context`; prompts of `short` and `context`.

    On CUDA each is one graph. `check` is called before each is made, and may raise.
    """
    made = {}
    for batch in batches:
        check()
        made[f"decode_{batch}"] = decode_pass(model, batch, context)
    for length in dict.fromkeys((min(short, context), context)):
        check()
        made[f"prefill_{length}"] = prefill_pass(model, length)
    return made


def decode_pass(model: MiniMind, batch: int, context: int) -> TimedPass:
    """One new token in each row; the weights are read once for all, every row's cache for itself."""
    width = model.dtype.itemsize
    return TimedPass(
        "decode",
        batch,
        decode_flops(model.config, batch, context),
        _weights(model) + kv_cache_bytes(model.config, batch, context, width),
        FullCacheStep(model, batch, context, "graph").run,
    )


def prefill_pass(model: MiniMind, length: int) -> TimedPass:
    """All tokens of one prompt; the head reads the last one only, and a token sees those before it."""
    ids = torch.ones(1, length, dtype=torch.int64, device=model.device)

    @torch.inference_mode()
    def run() -> Tensor:
        return model.head(model.model(ids)[:, -1:]).argmax(-1)

    unseen = length * (length - 1) // 2
    operations = forward_flops(model.config, 1, length, "last") - unseen * attention_flops_per_pair(
        model.config
    )
    program = CudaGraph(run, ()) if model.device.type == "cuda" else run
    return TimedPass("prefill", length, operations, _weights(model), program)


def _weights(model: MiniMind) -> int:
    """Bytes of all weights; of an embedding that is no head some rows are read, which is nothing."""
    unread = 0 if model.config.tie_word_embeddings else model.model.embed_tokens.weight.nbytes
    return sum(parameter.nbytes for parameter in model.parameters()) - unread
