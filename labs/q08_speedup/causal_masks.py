"""Attention of a sequence's last queries against all of its keys, with right and wrong masks. Imports torch.

Shapes: H heads, T queries, S keys, D head_dim.
"""

from __future__ import annotations

from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

BACKENDS = {"math": SDPBackend.MATH, "fused": SDPBackend.FLASH_ATTENTION}


def heads(queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random q [1, H, T, D], k and v [1, H, S, D], the same every time."""
    random = torch.Generator().manual_seed(0)
    q = torch.randn(1, 8, queries, 64, generator=random)
    k, v = (torch.randn(1, 8, keys, 64, generator=random) for _ in range(2))
    return q, k, v


def last_rows(queries: int, keys: int, empty: int = 0) -> Tensor:
    """bool [T, S]: who may look where if the queries come last and the `empty` keys behind them are none."""
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - empty - queries)


def written_out(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """Attention with the mask bool [T, S] as products and a softmax: the truth."""
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~visible, -torch.inf)  # [1, H, T, S]
    return torch.softmax(scores, -1) @ v


def load_bias() -> ModuleType:
    """torch's masks for fused attention. They bring the whole compiler: 1.7 s."""
    from torch.nn.attention import bias

    return bias


def ways(queries: int, keys: int, empty: int = 0) -> dict[str, Tensor]:
    """What SDPA gives with each mask that people write, [1, H, T, D]."""
    q, k, v = heads(queries, keys)
    attend = F.scaled_dot_product_attention
    return {
        "flag": attend(q, k, v, is_causal=True),
        "none": attend(q, k, v),
        "lower_right": attend(q, k, v, attn_mask=load_bias().causal_lower_right(queries, keys)),
        "explicit": attend(q, k, v, attn_mask=last_rows(queries, keys, empty)),
    }


def mask_and_flag() -> dict[str, str]:
    """A mask that allows everything together with is_causal=True, by backend of `BACKENDS`."""
    q, k, v = heads(4, 4)
    everything = torch.ones(4, 4, dtype=torch.bool)
    truth, found = written_out(q, k, v, last_rows(4, 4)), {}
    for name, backend in BACKENDS.items():
        try:
            with sdpa_kernel(backend):
                out = F.scaled_dot_product_attention(q, k, v, attn_mask=everything, is_causal=True)
            found[name] = "triangle" if torch.allclose(out, truth, atol=1e-5) else "something else"
        except RuntimeError as error:
            found[name] = type(error).__name__
    return found
