"""Ways of masking the scores of an attention, and what they leave of numbers and gradients. Imports torch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.q11_nan.masks import Way

HEAD_DIM = 4
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def weights(query: Tensor, key: Tensor, mask: Tensor, way: str) -> Tensor:
    """What each query [n, d] takes from each key [n, d]: [n, n]. `mask` [n, n] is True where it may look."""
    scores = query @ key.T / math.sqrt(query.shape[-1])
    if way == "added":
        return (scores + torch.zeros_like(scores).masked_fill(~mask, -torch.inf)).softmax(-1)
    if way in ("product", "minus_1e9", "lowest"):
        low = {"product": -torch.inf, "minus_1e9": -1e9, "lowest": torch.finfo(scores.dtype).min - 16}[way]
        return (scores + (1 - mask.to(scores.dtype)) * low).softmax(-1)
    if way == "guarded":
        some = mask.any(-1, keepdim=True)
        return scores.masked_fill(~mask & some, -torch.inf).softmax(-1) * some
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


def output(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, way: str) -> Tensor:
    """The attention's output [n, d]."""
    if way == "fused":
        return F.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=mask)[0]
    return weights(query, key, mask, way) @ value


def attend(rows: list[list[int]], way: str, number_format: str, device: str, seed: int) -> Way:
    """Masks random queries, keys and values by the rows, and sends a gradient back from those that see."""
    mask = torch.tensor(rows, dtype=torch.bool, device=device)
    random = torch.Generator().manual_seed(seed)
    query, key, value = (
        torch.randn(len(rows), HEAD_DIM, generator=random).to(device, DTYPES[number_format]).requires_grad_()
        for _ in range(3)
    )
    seen = mask.any(-1)
    out = output(query, key, value, mask, way)
    out[seen].float().sum().backward()
    with torch.no_grad():
        taken = output(query, key, torch.eye(len(rows)).to(value), mask, way)
    return {
        "weights": taken.float().cpu().numpy(),
        "bad_weights": _bad(taken),
        "bad_output": _bad(out[seen]),
        "bad_gradients": {
            name: _bad(tensor.grad) for name, tensor in (("q", query), ("k", key), ("v", value))
        },
    }


def _bad(tensor: Tensor | None) -> int:
    assert tensor is not None
    return int((~tensor.isfinite()).sum())
