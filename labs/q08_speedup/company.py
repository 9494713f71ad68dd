"""Greedy texts in company: batches that are filled up, and a model whose sums do not know their neighbours.

A product of more rows adds in another order, and where two tokens are nearly equal the other one wins. The
repair here is the plainest: each row of a batch is multiplied by itself, so that its sums are those that it
has alone. Batch-invariant kernels fix the order inside one launch instead (Thinking Machines 2025). Imports
torch.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labs.q08_speedup.batch_steps import OnProgress, greedy
from minimind_core.model.minimind import MiniMind


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


def texts(
    model: MiniMind, prompts: Sequence[Sequence[int]], batch: int, steps: int, on_progress: OnProgress
) -> list[list[int]]:
    """The tokens that follow each prompt in batches of exactly that size, filled up with others."""
    missing = -len(prompts) % batch
    filled = [*prompts, *itertools.islice(itertools.cycle(prompts), missing)]
    return greedy(model, filled, batch, steps, on_progress)[: len(prompts)]
