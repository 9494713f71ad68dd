"""Where the gradient of the logits vanishes in FP16, as torch's own cross-entropy under autocast has it.

A mean over N tokens is the sum over the rows at hand times an exact 1/N: each row's gradient is the same
number, whether its neighbours are there or not. So a few rows show what N of them would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.q10_grad_scaler.analytic import VOCABULARY

ROWS, MOST_TOKENS = 8, 2**20


def zero_share(logits: Tensor, targets: Tensor, tokens: float) -> float:
    """Share of the gradient of FP16 logits [R, V] that is zero, for a loss averaged over `tokens` tokens."""
    leaf = logits.detach().half().requires_grad_()
    with torch.autocast(logits.device.type, torch.float16):
        loss = F.cross_entropy(leaf, targets, reduction="sum") / tokens
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float((gradient == 0).float().mean())


def last_safe_tokens(vocabulary: int, device: str) -> int:
    """The largest N at which no gradient of zero logits is zero, found by halving."""
    logits, targets = _zero_logits(vocabulary, device)
    safe, gone = 1, MOST_TOKENS
    while gone - safe > 1:
        middle = (safe + gone) // 2
        if zero_share(logits, targets, middle) == 0:
            safe = middle
        else:
            gone = middle
    return safe


def cliff(own_logits: Tensor, targets: Tensor, vocabulary: int = VOCABULARY) -> dict[str, Any]:
    """Zero gradients by tokens in the mean: for zero logits, and for a model's own logits [R, V]."""
    device = own_logits.device.type
    zeros, first = _zero_logits(vocabulary, device)
    safe = last_safe_tokens(vocabulary, device)
    tokens: Sequence[int] = sorted({2**power for power in range(21)} | {safe, safe + 1})
    return {
        "last_safe": safe,
        "vocabulary": vocabulary,
        "tokens": list(tokens),
        "zero_logits": [zero_share(zeros, first, n) for n in tokens],
        "own_logits": [zero_share(own_logits, targets, n) for n in tokens],
        "deviation": float(own_logits.float().std()),
    }


def _zero_logits(vocabulary: int, device: str) -> tuple[Tensor, Tensor]:
    return (torch.zeros(ROWS, vocabulary, device=device), torch.zeros(ROWS, dtype=torch.int64, device=device))
