"""A real prefill that leaves its keys and values in a cache of any floating type.

The rows are read in groups, so that activations stay small and a cancel is heard between layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labs.contract.experiment import Context
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import MiniMind

GROUP_TOKENS = {"cuda": 32_768}
"""Tokens read at once; elsewhere one row."""


class CastingCache(StaticCache):
    """A cache that may be narrower than what computes; for a prefill, which never reads it back."""

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As `StaticCache.write`, rounded to the cache's own type."""
        dtype = self.keys[layer].dtype
        return super().write(layer, slots, keys.to(dtype), values.to(dtype))


@torch.inference_mode()
def prefilled(
    model: MiniMind, rows: int, tokens: int, dtype: torch.dtype, ctx: Context
) -> list[CastingCache]:
    """Caches of `rows` random rows of `tokens` ids after reading them, together holding all rows."""
    device = model.model.embed_tokens.weight.device
    group = max(1, min(rows, GROUP_TOKENS.get(ctx.device, 0) // tokens))
    sizes = [min(group, rows - start) for start in range(0, rows, group)]
    layers, done, caches = len(model.model.layers), 0, []

    def before_layer(_module: nn.Module, _inputs: object) -> None:
        nonlocal done
        ctx.progress(0.1 + 0.9 * done / (layers * len(sizes)), "Reading into the cache")
        done += 1

    hooks = [layer.register_forward_pre_hook(before_layer) for layer in model.model.layers]
    random = torch.Generator(device).manual_seed(0)
    try:
        for size in sizes:
            ids = torch.randint(3, model.config.vocab_size, (size, tokens), generator=random, device=device)
            caches.append(CastingCache(model.config, size, tokens, device, dtype))
            model.model(ids, cache=caches[-1])
    finally:
        for hook in hooks:
            hook.remove()
    return caches
