"""Window attention in blocks: the model's own layers, at a cost that grows with the window. Imports torch.

The core's mask gives the same and writes every pair out; a test holds the two together.

Shapes: T tokens, w window, N blocks of w tokens, H query heads, K KV heads, D head_dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_core.model.minimind import MiniMind
from minimind_core.model.rope import apply_rope


def local_attention(queries: Tensor, keys: Tensor, values: Tensor, window: int) -> Tensor:
    """Each token over the `window` newest, itself included.

    queries [1, H, T, D]; keys, values [1, K, T, D] -> [1, H, T, D].
    """
    length = queries.shape[2]
    window = min(window, length)
    group = queries.shape[1] // keys.shape[1]
    blocks = -(-length // window)
    rest = blocks * window - length

    def in_blocks(x: Tensor, before: int) -> Tensor:
        """[1, heads, T, D] -> [N, heads, before + w, D], with the tokens before each block."""
        padded = F.pad(x[0], (0, 0, before, rest))  # [heads, before + N * w, D]
        return padded.unfold(1, before + window, window).permute(1, 0, 3, 2)

    keys, values = (in_blocks(x, window).repeat_interleave(group, 1) for x in (keys, values))
    query = torch.arange(window, device=queries.device)[:, None]
    key = torch.arange(-window, window, device=queries.device)
    near = (key <= query) & (query - key < window)  # [w, 2w]
    real = torch.arange(blocks, device=queries.device)[:, None] * window + key >= 0  # [N, 2w]
    mask = near & real[:, None, None]  # [N, 1, w, 2w]
    attended = F.scaled_dot_product_attention(in_blocks(queries, 0), keys, values, attn_mask=mask)
    return attended.transpose(0, 1).flatten(1, 2)[None, :, :length]  # [N, H, w, D] -> [1, H, T, D]


def through_local_layers(
    model: MiniMind, embedded: Tensor, layers: int, window: int, check: Callable[[], object]
) -> Tensor:
    """The first layers of a RoPE model with window attention: embedded [1, T, C] -> [1, T, C], normed.

    `check` is called before every layer and may raise.
    """
    assert model.model.rotary is not None, "only for models with RoPE"
    rotation = model.model.rotary(torch.arange(embedded.shape[1], device=embedded.device))
    hidden = embedded
    for layer in model.model.layers[:layers]:
        check()
        attention, normed = layer.self_attn, layer.input_layernorm(hidden)
        split = (*normed.shape[:2], -1, attention.head_dim)  # [1, T, H or K, D]
        queries, keys, values = (part.view(split).transpose(1, 2) for part in attention.project(normed))
        queries, keys = (
            apply_rope(norm(part), *rotation)
            for norm, part in ((attention.q_norm, queries), (attention.k_norm, keys))
        )
        attended = local_attention(queries, keys, values, window)  # [1, H, T, D]
        hidden = hidden + attention.o_proj(attended.transpose(1, 2).flatten(2))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return model.model.norm(hidden)


def influences(
    model: MiniMind, ids: Tensor, target: int, layers: int, window: int, check: Callable[[], object]
) -> Tensor:
    """Norm of the gradient of one token's loss with respect to each input's embedding: ids int64 [T] -> [T].

    The loss is that of `target` after the last of `ids`.
    """
    embedded = model.model.embed_tokens(ids[None]).detach().requires_grad_()  # [1, T, C]
    hidden = through_local_layers(model, embedded, layers, window, check)[0, -1]
    loss = F.cross_entropy(model.head(hidden)[None], torch.tensor([target], device=ids.device))
    check()
    (gradient,) = torch.autograd.grad(loss, embedded)
    return gradient[0].norm(dim=-1).detach()
