"""Greedy texts in company: batches that are filled up, and a model whose sums do not know their neighbours.

A product of more rows may add in another order, and where two tokens are nearly equal the other one wins. The
repair here is the plainest: each row of a batch is multiplied by itself, so that its sums are those that it
has alone. Batch-invariant kernels fix the order inside one launch instead (Thinking Machines 2025). Imports
torch.

Shapes: N texts, S tokens written after each, B rows of a batch, V vocabulary ids.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_core.decoding.step import Step
from minimind_core.model.minimind import MiniMind

OnProgress = Callable[[float], None]


class RowByRow(nn.Module):
    """y = x W^T, a product for every row of the batch; no bias."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, in] -> [B, T, out]."""
        return torch.cat([F.linear(row, self.weight) for row in x.split(1)])


def in_fixed_order(model: MiniMind) -> MiniMind:
    """A copy of `model` whose products do not depend on the batch; alone, a text has the bits that it had."""
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, RowByRow(child.weight))
    twin.config = model.config.replace(tie_word_embeddings=False)
    twin.lm_head = RowByRow(model.head_weight)
    return twin


class Alone(NamedTuple):
    """Texts written one at a time: their ids [N, S], and the logits they were chosen from [N, S, V]."""

    ids: Tensor
    logits: Tensor


class Together(NamedTuple):
    """The same texts in batches: where each first takes another token, and how far its logits were apart."""

    places: list[int | None]
    gap: float


def alone(model: MiniMind, prompts: Sequence[Sequence[int]], steps: int, on_progress: OnProgress) -> Alone:
    """The `steps` likeliest tokens after each prompt; all prompts have one length."""
    written = [logits for _first, _step, logits in _decoded(model, prompts, 1, steps, None, on_progress)]
    logits = torch.stack(written, 1).view(len(prompts), steps, -1)  # N * S of [1, V] -> [N, S, V]
    return Alone(logits.argmax(-1), logits)


def together(
    model: MiniMind, prompts: Sequence[Sequence[int]], batch: int, written: Alone, on_progress: OnProgress
) -> Together:
    """What batches of exactly that size would choose after each token of the texts written alone.

    Up to its first other token a text is what it would be if it went on by itself; what comes after says
    nothing, because alone it continues another text. `gap` is the largest difference between two logits.
    """
    count, steps = written.ids.shape
    same = torch.ones_like(written.ids, dtype=torch.bool)
    gap = torch.zeros((), device=written.ids.device)
    for first, step, logits in _decoded(model, prompts, batch, steps, written.ids, on_progress):
        rows = slice(first, min(first + batch, count))
        logits, expected = logits[: rows.stop - first], written.logits[rows, step]  # [rows, V]
        same[rows, step] = logits.argmax(-1) == written.ids[rows, step]
        gap = torch.maximum(gap, (logits.float() - expected.float()).abs().max())
    changed = (~same).int()
    places = torch.where(changed.any(-1), changed.argmax(-1), steps).tolist()
    return Together([None if place == steps else place for place in places], float(gap))


@torch.inference_mode()
def _decoded(
    model: MiniMind,
    prompts: Sequence[Sequence[int]],
    batch: int,
    steps: int,
    chosen: Tensor | None,
    on_progress: OnProgress,
) -> Iterator[tuple[int, int, Tensor]]:
    """The first row of each batch, the step and its logits [B, V]; on CUDA replayed as a graph.

    A batch is filled up with the first prompts. Texts go on by `chosen` [N, S], else by the likeliest token.
    """
    count, length = len(prompts), len(prompts[0])
    device = model.device
    decoder = Step(model, batch, length + steps, "graph")
    positions = torch.empty(batch, 1, dtype=torch.int64, device=device)
    for first in range(0, count, batch):
        rows = [row % count for row in range(first, first + batch)]
        logits = decoder.prefill([prompts[row] for row in rows])
        for step in range(steps):
            on_progress((first + batch * step / steps) / (count + batch))
            yield first, step, logits.clone()
            if step < steps - 1:
                ids = logits.argmax(-1) if chosen is None else chosen[rows, step]
                logits = decoder(ids[:, None], positions.fill_(length + step))
